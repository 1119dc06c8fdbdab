"""aelib.models: shapes, arithmetic against NumPy, what is refused, and files that another process can read."""

import importlib.util
import inspect
import json
import os
import subprocess
import sys
from itertools import pairwise

import keras
import numpy as np
import pytest
from helpers import dense_layers, depth_to_space, images_like, refusal
from keras import layers, ops

from aelib import metrics, models, training
from aelib.layers import SparsityPenalty
from aelib.regularizers import L1Sparsity

INSTALLED = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]


@keras.saving.register_keras_serializable("tests")
class SquaredCodes(layers.Layer):
    """A penalty of this file: weight times the sum over units of the batch mean of z^2; returns z unchanged."""

    def __init__(self, weight, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, code):
        self.add_loss(self.weight * ops.sum(ops.mean(code**2, axis=0)))
        return code

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}


def dense_net(shape=(8, 8, 1), penalty=None, **kwargs):
    encoder = models.mlp_encoder(shape, 3, hidden=(16,), **kwargs)
    return models.Autoencoder(encoder, models.mlp_decoder(shape, 3, hidden=(16,)), penalty)


def conv_net(shape=(8, 8, 3), penalty=None):
    encoder = models.conv_encoder(shape, 5, filters=(4,))
    return models.Autoencoder(encoder, models.conv_decoder(shape, 5, filters=(4,)), penalty)


# The oracle: every layer in NumPy, in double precision


def randomize(model, seed=0):
    """Weights that show in the output: offsets and running statistics do not stay at 0 and 1."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.path.endswith("kernel"):
            fan_in = np.prod(variable.shape[:-1])
            variable.assign(random.normal(0, 2 / np.sqrt(fan_in), variable.shape))
        else:
            variable.assign(random.uniform(0.1, 0.9, variable.shape))
    return model


def forward(model, inputs):
    values = np.asarray(inputs, "float64")
    for layer in model.layers:
        values = FORWARD[type(layer).__name__](values, layer, *[np.array(w, "float64") for w in layer.get_weights()])
    return values


def activate(values, layer):
    functions = {
        "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
        "relu": lambda a: np.where(a > 0, a, 0),
        "linear": lambda a: a,
    }
    return functions[layer.activation.__name__](values)


def convolve(values, layer, kernel, bias=0.0):
    """Slides the kernel over the image, one output pixel at a time; "same" puts the odd zero at the far side."""
    size, step = len(kernel), layer.strides[0]
    rows, columns = (-(-length // step) for length in values.shape[1:3])
    missing = [max(0, (n - 1) * step + size - m) for n, m in zip((rows, columns), values.shape[1:3], strict=True)]
    padded = np.pad(values, [(0, 0), *[(m // 2, m - m // 2) for m in missing], (0, 0)])
    out = np.empty((len(values), rows, columns, kernel.shape[-1]))
    for row in range(rows):
        for column in range(columns):
            window = padded[:, row * step : row * step + size, column * step : column * step + size]
            out[:, row, column] = np.tensordot(window, kernel, 3) + bias
    return activate(out, layer)


FORWARD = {
    "Flatten": lambda values, layer: values.reshape(len(values), -1),
    "Reshape": lambda values, layer: values.reshape(len(values), *layer.target_shape),
    "Dense": lambda values, layer, kernel, bias: activate(values @ kernel + bias, layer),
    "Activation": activate,
    "Conv2D": convolve,
    "BatchNormalization": lambda values, layer, gamma, beta, mean, variance: (
        gamma * (values - mean) / np.sqrt(variance + layer.epsilon) + beta
    ),
    "DepthToSpace": lambda values, layer: depth_to_space(values),
}


# The lecture's network


def test_lecture_network_has_the_widths_of_the_lecture_and_nothing_but_sigmoid_layers():
    model = models.lecture_autoencoder()
    widths = [784, 512, 128, 32, 2, 32, 128, 512, 784]
    dense = dense_layers(model)
    assert [tuple(layer.kernel.shape) for layer in dense] == list(pairwise(widths))
    assert all(layer.activation is keras.activations.sigmoid and layer.use_bias for layer in dense)
    others = {type(layer) for part in (model.encoder, model.decoder) for layer in part.layers} - {layers.Dense}
    assert others == {layers.Flatten, layers.Reshape}
    assert model.count_params() == sum(a * b + b for a, b in pairwise(widths))
    assert model.built and model.penalty is None


@pytest.mark.backend
def test_lecture_network_computes_what_numpy_computes():
    model = randomize(models.lecture_autoencoder())
    images = images_like((28, 28, 1))
    codes = forward(model.encoder, images)
    expected = forward(model.decoder, codes)
    assert codes.std(0).min() > 0.001 and expected.std() > 0.1
    np.testing.assert_allclose(model.encode(images), codes, atol=1e-5)
    np.testing.assert_allclose(model.reconstruct(images), expected, atol=1e-5)


@pytest.mark.parametrize("latent_dim", [1, 7])
def test_lecture_network_has_a_code_of_the_size_asked_for(latent_dim):
    model = models.lecture_autoencoder(latent_dim)
    codes = model.encode(images_like((28, 28, 1)))
    assert codes.shape == (6, latent_dim)
    assert model.decode(codes).shape == (6, 28, 28, 1)
    assert [layer.units for layer in dense_layers(model)] == [512, 128, 32, latent_dim, 32, 128, 512, 784]


# Encoders and decoders


@pytest.mark.parametrize(
    ("shape", "hidden", "activation", "last"),
    [
        ((8, 8, 1), (), "relu", None),
        ((28, 28, 1), (9, 5), "sigmoid", "relu"),
        ((4, 12, 3), (9, 5), "sigmoid", None),
        # JAX compiles for each new shape of a tensor: on every backend, one that other tests have too.
        pytest.param((8, 8, 1), (16,), "relu", "sigmoid", marks=pytest.mark.backend),
    ],
)
def test_dense_encoder_and_decoder_compute_what_numpy_computes(shape, hidden, activation, last):
    encoder = randomize(models.mlp_encoder(shape, 3, hidden, activation, last))
    decoder = randomize(models.mlp_decoder(shape, 3, hidden[::-1], activation, last))
    images = images_like(shape)
    codes = forward(encoder, images)
    model = models.Autoencoder(encoder, decoder)
    assert model.encode(images).shape == (6, 3)
    np.testing.assert_allclose(model.encode(images), codes, atol=1e-4)
    np.testing.assert_allclose(model.decode(codes.astype("float32")), forward(decoder, codes), atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "filters", "latent_channels"),
    [((8, 8, 1), (3,), 1), ((8, 12, 3), (4, 6), 5), pytest.param((8, 8, 3), (4,), 5, marks=pytest.mark.backend)],
)
def test_convolutional_encoder_and_decoder_compute_what_numpy_computes(shape, filters, latent_channels):
    encoder = randomize(models.conv_encoder(shape, latent_channels, filters))
    decoder = randomize(models.conv_decoder(shape, latent_channels, filters[::-1]))
    images = images_like(shape, count=3)
    codes = forward(encoder, images)
    shrink = 2 ** len(filters)
    assert codes.shape == (3, shape[0] // shrink, shape[1] // shrink, latent_channels)
    model = models.Autoencoder(encoder, decoder)
    expected = forward(decoder, codes)
    assert codes.std() > 0.1 and expected.std() > 0.01
    np.testing.assert_allclose(model.encode(images), codes, atol=1e-4)
    np.testing.assert_allclose(model.reconstruct(images), expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(8, 8, 1), (16, 8, 3), (32, 24, 2)])
@pytest.mark.parametrize("filters", [(), (2,), [2, 3, 4]])
def test_each_filter_halves_the_grid_of_the_code_and_the_decoder_restores_the_image(shape, filters):
    encoder, decoder = models.conv_encoder(shape, 7, filters), models.conv_decoder(shape, 7, filters)
    grid = (None, shape[0] // 2 ** len(filters), shape[1] // 2 ** len(filters), 7)
    assert encoder.input_shape == decoder.output_shape == (None, *shape)
    assert encoder.output_shape == decoder.input_shape == grid


# What is refused


MAKERS = {
    "mlp_encoder": lambda **given: models.mlp_encoder(**{"image_shape": (8, 8, 1), "latent_dim": 2, **given}),
    "mlp_decoder": lambda **given: models.mlp_decoder(**{"image_shape": (8, 8, 1), "latent_dim": 2, **given}),
    "conv_encoder": lambda **given: models.conv_encoder(**{"image_shape": (8, 8, 1), "latent_channels": 2, **given}),
    "conv_decoder": lambda **given: models.conv_decoder(**{"image_shape": (8, 8, 1), "latent_channels": 2, **given}),
}


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("shape", [(28, 28), 28, None, "abc", (28, 28, 0), (28.0, 28, 1), (28, True, 1), (4, -4, 1)])
def test_a_bad_image_shape_is_named_and_shown(maker, shape):
    message = refusal(lambda: MAKERS[maker](image_shape=shape))
    assert message.startswith("image_shape must be ")
    wrong = [size for size in shape if type(size) is not int or size < 1] if np.size(shape) == 3 else [shape]
    assert message.endswith(f"received {wrong[0]!r}")


@pytest.mark.parametrize("value", [0, -1, True, 2.5, "2", None])
@pytest.mark.parametrize("maker", [*MAKERS, "lecture_autoencoder"])
def test_a_bad_size_of_the_code_is_named_and_shown(maker, value):
    name = "latent_channels" if "conv" in maker else "latent_dim"
    make = MAKERS.get(maker, models.lecture_autoencoder)
    assert refusal(lambda: make(**{name: value})) == f"{name} must be a positive integer; received {value!r}"


@pytest.mark.parametrize("maker", MAKERS)
def test_bad_widths_are_named_and_shown(maker):
    name = "filters" if "conv" in maker else "hidden"
    assert refusal(lambda: MAKERS[maker](**{name: (4, 0)})) == f"{name} must be a positive integer; received 0"
    assert refusal(lambda: MAKERS[maker](**{name: 4})).endswith("tuple of positive integers; received 4")


@pytest.mark.parametrize("make", [models.conv_encoder, models.conv_decoder])
@pytest.mark.parametrize("shape", [(10, 8, 1), (8, 10, 3)])
def test_a_size_that_the_halvings_do_not_divide_is_refused(make, shape):
    message = refusal(lambda: make(shape, 2, filters=(4, 4)))
    assert message.startswith("image_shape must") and "divisible by 4" in message and str(shape) in message


def test_parts_that_are_no_layers_are_refused_by_name():
    encoder, decoder = models.mlp_encoder((8, 8, 1), 2, ()), models.mlp_decoder((8, 8, 1), 2, ())
    assert "penalty must be a Keras layer" in refusal(lambda: models.Autoencoder(encoder, decoder, 0.1), TypeError)
    assert refusal(lambda: models.Autoencoder(encoder, decoder, 0.1), TypeError).endswith("received 0.1")
    # A regularizer is the likely mistake: it is not a layer, and zero is not the same as none.
    for wrong in keras.regularizers.L1(0.1), 0:
        assert "penalty must be" in refusal(lambda wrong=wrong: models.Autoencoder(encoder, decoder, wrong), TypeError)
    assert refusal(lambda: models.Autoencoder(None, decoder), TypeError).startswith("encoder must be")
    assert refusal(lambda: models.Autoencoder(encoder, np.zeros), TypeError).startswith("decoder must be")


# Encode, decode, reconstruct


@pytest.mark.backend
@pytest.mark.parametrize("make", [dense_net, conv_net])
def test_codes_and_reconstructions_are_numpy_arrays_whatever_the_batch_size(make):
    model = randomize(make())
    images = images_like(model.encoder.input_shape[1:], count=7)
    codes, reconstruction = model.encode(images), model.reconstruct(images)
    assert type(codes) is type(reconstruction) is np.ndarray and codes.dtype == reconstruction.dtype == np.float32
    assert reconstruction.shape == images.shape and codes.shape == (7, *model.encoder.output_shape[1:])
    np.testing.assert_allclose(model.decode(codes), reconstruction, atol=1e-6)
    for batch_size in 1, 3, 7, np.int64(100):
        np.testing.assert_allclose(model.encode(images, batch_size), codes, atol=1e-5)
        np.testing.assert_allclose(model.decode(codes, batch_size), reconstruction, atol=1e-5)
        np.testing.assert_allclose(model.reconstruct(images, batch_size=batch_size), reconstruction, atol=1e-5)


@pytest.mark.backend
@pytest.mark.parametrize("make", [dense_net, conv_net])
def test_no_images_give_no_codes(make):
    model = make()
    images = images_like(model.encoder.input_shape[1:], count=0)
    codes = model.encode(images)
    assert codes.shape == (0, *model.encoder.output_shape[1:])
    assert model.decode(codes).shape == model.reconstruct(images).shape == images.shape


@pytest.mark.parametrize("batch_size", [0, 2.5, True])
def test_a_bad_batch_size_is_named_and_shown(batch_size):
    message = refusal(lambda: dense_net().encode(images_like((8, 8, 1)), batch_size))
    assert message == f"batch_size must be a positive integer; received {batch_size!r}"


def test_looking_at_images_changes_no_weight():
    model = randomize(conv_net())
    before = model.get_weights()
    model.reconstruct(images_like((8, 8, 3)))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.backend
def test_every_kind_of_array_is_taken_and_a_mistake_is_named():
    model = randomize(dense_net())
    images = images_like(count=4).round()
    codes = model.encode(images)
    tensor = ops.convert_to_tensor(images)
    for other in (images.astype("float64"), images.astype("uint8"), list(images), tensor, list(tensor)):
        np.testing.assert_allclose(model.encode(other), codes, atol=1e-6)
    assert refusal(lambda: model.encode("mnist")).startswith("x must be ")
    assert refusal(lambda: model.decode(np.array([["a"]]))).startswith("x must be ")


@pytest.mark.backend
@pytest.mark.only_on("torch")
def test_tensors_that_require_a_gradient_are_taken():
    import torch

    model, images = dense_net(), images_like()
    np.testing.assert_array_equal(
        model.reconstruct(torch.tensor(images, requires_grad=True)), model.reconstruct(images)
    )


def test_the_builders_draw_weights_from_the_initializer_they_are_given():
    shape, ones = (8, 8, 1), keras.initializers.Ones()
    for given in (ones, "ones", {"class_name": "Ones", "config": {}}):
        both = models.mlp_encoder(shape, 2, (4,), kernel_initializer=given)
        both = models.Autoencoder(both, models.mlp_decoder(shape, 2, (4,), kernel_initializer=given))
        assert all(np.all(layer.get_weights()[0] == 1) for layer in dense_layers(both))
    lecture = models.lecture_autoencoder(kernel_initializer=ones)
    assert all(np.all(layer.get_weights()[0] == 1) for layer in dense_layers(lecture))


def test_the_layers_of_a_network_draw_weights_of_their_own_from_one_initializer_without_a_seed():
    initializer = keras.initializers.VarianceScaling(16, "fan_avg", "uniform")
    hidden = models.mlp_encoder((4, 4, 1), 16, (16, 16), kernel_initializer=initializer).layers[1:]
    first, second, third = (layer.get_weights()[0] for layer in hidden)
    assert np.all(first != second) and np.all(second != third)


def test_dense_weights_are_glorots_unless_an_initializer_is_given():
    for layer in dense_layers(models.lecture_autoencoder())[:3]:
        kernel = layer.get_weights()[0]
        limit = np.sqrt(6 / sum(kernel.shape))
        assert 0.99 * limit < np.abs(kernel).max() <= limit * (1 + 1e-6)
        assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)


# A penalty between encoder and decoder


@pytest.mark.backend
def test_penalty_reaches_the_training_loss_and_leaves_the_reconstruction_alone():
    plain = randomize(dense_net())
    model = dense_net(penalty=SquaredCodes(0.5))
    images = images_like((8, 8, 1), count=10)
    model.reconstruct(images)
    model.set_weights(plain.get_weights())
    np.testing.assert_array_equal(model.reconstruct(images), plain.reconstruct(images))
    penalty = 0.5 * np.sum(np.mean(model.encode(images).astype("float64") ** 2, axis=0))
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    history = model.fit(images, images, batch_size=10, verbose=0).history
    error = metrics.mse(images, model.reconstruct(images))
    assert penalty > 0.1
    assert history["loss"][0] == pytest.approx(error + penalty, rel=1e-5)


@pytest.mark.backend
def test_a_penalty_is_told_whether_the_network_is_in_training():
    class ScaledInTraining(layers.Layer):
        def call(self, codes, training=False):
            return 3 * codes if training else codes

    model = randomize(dense_net(penalty=ScaledInTraining()))
    images = images_like((8, 8, 1), count=10)
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    error = model.fit(images, images, batch_size=10, verbose=0).history["loss"][0]
    assert error == pytest.approx(metrics.mse(images, model.decode(3 * model.encode(images))), rel=1e-5)
    assert error != pytest.approx(metrics.mse(images, model.reconstruct(images)), rel=1e-3)


# Files


FILES = {
    "dense": dense_net,
    "dense-penalty": lambda: dense_net(penalty=SquaredCodes(0.25)),
    "conv": conv_net,
    "conv-keras-penalty": lambda: conv_net(penalty=layers.ActivityRegularization(l1=0.1)),
}
# The process that reads knows nothing of this one but the files and the class of the penalty.
READER = f"""
import json, pathlib, sys
import keras, numpy as np
from keras import layers, ops
from aelib import models

@keras.saving.register_keras_serializable("tests")
{inspect.getsource(SquaredCodes).partition(chr(10))[2]}
"""
READER += """
folder = pathlib.Path(sys.argv[1])
saw = {"backend": keras.backend.backend()}
for file in sorted(folder.glob("*.keras")):
    model = keras.saving.load_model(file)
    images = np.load(folder / f"{file.stem}.npy")
    arrays = {f"w{i}": weight for i, weight in enumerate(model.get_weights())}
    np.savez(f"{file.stem}.npz", codes=model.encode(images), reconstruction=model.reconstruct(images), **arrays)
    saw[file.stem] = [type(model).__name__, type(model.penalty).__name__, len(model.losses)]
pathlib.Path("saw.json").write_text(json.dumps(saw))
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Files of this process, its own answers, and a folder per backend with what a new process made of them."""
    folder = tmp_path_factory.mktemp("files")
    answers = {}
    for name, make in FILES.items():
        model = randomize(make(), seed=len(name))
        images = images_like(model.encoder.input_shape[1:])
        answers[name] = model.encode(images), model.reconstruct(images), model.get_weights()
        model.save(folder / f"{name}.keras")
        np.save(folder / f"{name}.npy", images)
    readers = {}
    for backend in INSTALLED:
        (folder / backend).mkdir()
        # JAX compiles every operation it meets once: not optimizing that takes half the time.
        environment = {**os.environ, "KERAS_BACKEND": backend, "XLA_FLAGS": "--xla_backend_optimization_level=0"}
        command = [sys.executable, "-c", READER, str(folder)]
        pipe = subprocess.PIPE
        readers[backend] = subprocess.Popen(command, cwd=folder / backend, env=environment, stderr=pipe, text=True)
    for backend, reader in readers.items():
        _, errors = reader.communicate(timeout=120)
        assert reader.returncode == 0, f"{backend}: {errors}"
    return folder, answers


def read_by(backend, saved):
    folder, answers = saved
    seen = json.loads((folder / backend / "saw.json").read_text())
    assert seen["backend"] == backend
    for name, answer in answers.items():
        with np.load(folder / backend / f"{name}.npz") as arrays:
            yield name, seen[name], dict(arrays), answer


def test_a_file_read_by_a_new_process_gives_the_same_weights_and_reconstruction(saved):
    for name, (kind, penalty, losses), arrays, (codes, reconstruction, weights) in read_by(
        keras.backend.backend(), saved
    ):
        assert kind == "Autoencoder", name
        for index, weight in enumerate(weights):
            np.testing.assert_array_equal(arrays[f"w{index}"], weight, err_msg=name)
        assert len(arrays) == len(weights) + 2
        np.testing.assert_allclose(arrays["codes"], codes, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(arrays["reconstruction"], reconstruction, atol=1e-6, err_msg=name)
        expected = {"dense-penalty": "SquaredCodes", "conv-keras-penalty": "ActivityRegularization"}
        assert penalty == expected.get(name, "NoneType")
        assert losses == (name in expected)


@pytest.mark.backend
@pytest.mark.parametrize("backend", INSTALLED)
def test_a_file_of_this_backend_is_read_by_every_other(saved, backend):
    for name, _, arrays, (codes, reconstruction, weights) in read_by(backend, saved):
        for index, weight in enumerate(weights):
            np.testing.assert_array_equal(arrays[f"w{index}"], weight, err_msg=name)
        assert reconstruction.std() > 0.01
        np.testing.assert_allclose(arrays["codes"], codes, rtol=1e-5, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(arrays["reconstruction"], reconstruction, atol=1e-5, err_msg=name)


def test_a_penalty_keeps_its_weight_through_a_file(tmp_path):
    model = dense_net(penalty=SquaredCodes(0.25))
    model.build((None, 8, 8, 1))
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").penalty.weight == 0.25


@pytest.mark.backend
def test_a_trained_and_compiled_model_goes_on_training_from_a_file(tmp_path):
    model = dense_net(penalty=SquaredCodes(0.25))
    images = images_like(count=10)
    training.fit(model, images, epochs=2, batch_size=5, verbose=0)
    model.save(tmp_path / "trained.keras")
    loaded = keras.saving.load_model(tmp_path / "trained.keras")
    np.testing.assert_array_equal(loaded.reconstruct(images), model.reconstruct(images))
    assert type(loaded.optimizer) is training.ScheduledAdam and loaded.optimizer.steps == 4
    assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations) == 4
    assert [float(loaded.optimizer.learning_rate)] == pytest.approx([float(model.optimizer.learning_rate)])
    before = loaded.get_weights()
    training.fit(loaded, images, epochs=1, batch_size=5, verbose=0)
    assert all(np.any(old != new) for old, new in zip(before, loaded.get_weights(), strict=True))


def test_a_compiled_model_is_read_by_a_process_that_imports_the_models_alone(tmp_path):
    model = dense_net(penalty=SparsityPenalty(L1Sparsity(0.25)))
    training.fit(model, images_like(), epochs=1, verbose=0)
    model.save(tmp_path / "trained.keras")
    read = f"import keras, aelib.models; print(keras.saving.load_model({str(tmp_path / 'trained.keras')!r}).optimizer)"
    done = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True)
    assert "ScheduledAdam" in done.stdout, done.stderr
