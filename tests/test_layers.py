"""aelib.layers: values against NumPy, gradients, what is refused, fresh noise, and files."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers import autoencoder, codes_like, depth_to_space, gradient, images_like, keep_largest, refusal
from keras import ops

from aelib import corruption, layers, models, training
from aelib.regularizers import KLSparsity, L1Sparsity

to_numpy = ops.convert_to_numpy

# TopK, Dictionary, UnrolledEncoder


@pytest.mark.backend
def test_topk_keeps_the_entries_largest_in_size_and_nothing_else():
    codes = np.random.default_rng(0).normal(size=(5, 9)).astype("float32")
    np.testing.assert_array_equal(to_numpy(layers.TopK(3)(codes)), keep_largest(codes, 3))


def test_topk_works_along_the_last_axis_and_keeps_all_where_k_is_the_number_of_units():
    codes = np.random.default_rng(0).normal(size=(5, 2, 9)).astype("float32")
    expected = keep_largest(codes.reshape(10, 9), 3).reshape(codes.shape)
    np.testing.assert_array_equal(to_numpy(layers.TopK(3)(codes)), expected)
    np.testing.assert_array_equal(to_numpy(layers.TopK(9)(codes)), codes)


@pytest.mark.backend
def test_topk_keeps_exactly_k_of_equal_entries():
    codes = np.array([[1, -1, 1, 1], [0, 0, 0, 0]], "float32")
    np.testing.assert_array_equal(np.count_nonzero(to_numpy(layers.TopK(2)(codes)), axis=1), [2, 0])


@pytest.mark.backend
def test_topk_passes_the_gradient_through_what_it_keeps_and_nothing_else():
    codes = np.random.default_rng(1).normal(size=(4, 6)).astype("float32")
    weights = np.random.default_rng(2).normal(size=(4, 6)).astype("float32")
    layer = layers.TopK(2)
    found = gradient(lambda codes: ops.sum(ops.multiply(layer(codes), weights)), codes)
    np.testing.assert_allclose(found, weights * (keep_largest(codes, 2) != 0), atol=1e-6)


@pytest.mark.parametrize("k", [0, -1, 2.5, "3", True])
def test_a_k_that_is_no_positive_integer_is_refused(k):
    assert refusal(lambda: layers.TopK(k)) == f"k must be a positive integer; received {k!r}"


def test_a_k_larger_than_the_code_is_refused():
    message = refusal(lambda: layers.TopK(5).build((None, 4)))
    assert message == "k must be an integer from 1 to 4; received 5"
    assert refusal(lambda: layers.UnrolledEncoder(layers.Dictionary(9), 4, 5)) == message


@pytest.mark.parametrize("name", ["features", "units", "k", "steps"])
def test_a_size_that_is_no_positive_integer_is_named(name):
    dictionary = layers.Dictionary(9)
    wrong = {"units": 4, "k": 2, "steps": 1, name: 0}
    make = {"features": lambda: layers.Dictionary(0)}.get(name, lambda: layers.UnrolledEncoder(dictionary, **wrong))
    assert refusal(make).startswith(f"{name} must be ") and refusal(make).endswith("received 0")


def test_unrolled_encoder_refuses_what_does_not_fit_its_dictionary():
    message = refusal(lambda: layers.UnrolledEncoder(keras.layers.Dense(9), 4, 2), TypeError)
    assert message.startswith("dictionary must be an aelib.layers.Dictionary; received <Dense")
    message = refusal(lambda: layers.UnrolledEncoder(layers.Dictionary(9), 4, 2).build((None, 8)))
    assert message == "x must have 9 entries; received 8"
    assert refusal(lambda: layers.UnrolledEncoder(layers.Dictionary(9), 4, 2).build((None, 8, 10))).endswith("10")


@pytest.mark.backend
def test_the_atoms_of_a_dictionary_have_length_one_and_decode_by_a_product():
    dictionary = layers.Dictionary(9)
    codes = np.random.default_rng(0).normal(size=(6, 12)).astype("float32")
    dictionary.build(codes.shape)
    dictionary.kernel.assign(np.random.default_rng(1).normal(size=(12, 9)))
    kernel = to_numpy(dictionary.kernel)
    atoms = kernel / np.linalg.norm(kernel, axis=1, keepdims=True)
    np.testing.assert_allclose(to_numpy(dictionary.atoms), atoms, atol=1e-6)
    np.testing.assert_allclose(to_numpy(dictionary(codes)), codes @ atoms, atol=1e-5)


def test_the_atoms_are_orthogonal_at_first():
    dictionary = layers.Dictionary(9)
    dictionary.build((None, 5))
    atoms = to_numpy(dictionary.atoms)
    np.testing.assert_allclose(atoms @ atoms.T, np.eye(5), atol=1e-5)


@pytest.mark.backend
def test_unrolled_encoder_computes_what_numpy_computes():
    keras.utils.set_random_seed(0)
    dictionary = layers.Dictionary(9)
    encoder = layers.UnrolledEncoder(dictionary, 12, 3, steps=2)
    x = np.random.default_rng(0).normal(size=(6, 9)).astype("float32")
    found = to_numpy(encoder(x))
    D, W = to_numpy(dictionary.atoms), to_numpy(encoder.kernel)
    np.testing.assert_allclose(np.linalg.norm(D, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(W, D.T, atol=1e-6)
    codes = keep_largest(x @ W, 3)
    for _ in range(2):
        codes = keep_largest(codes + 0.5 * (x - codes @ D) @ D.T, 3)
    np.testing.assert_allclose(found, codes, atol=1e-5)


def test_a_dictionary_and_an_unrolled_encoder_work_along_the_last_axis():
    # More than 256 features: Python keeps one object for each smaller number, so `is` would do for `==`.
    dictionary = layers.Dictionary(300)
    encoder = layers.UnrolledEncoder(dictionary, 12, 3)
    x = np.random.default_rng(0).normal(size=(5, 2, 300)).astype("float32")
    codes = to_numpy(encoder(x))
    np.testing.assert_allclose(codes.reshape(10, 12), to_numpy(encoder(x.reshape(10, 300))), atol=1e-5)
    other = layers.Dictionary(9)
    found = to_numpy(other(codes))
    np.testing.assert_allclose(found.reshape(10, 9), codes.reshape(10, 12) @ to_numpy(other.atoms), atol=1e-5)


def test_an_unrolled_encoder_takes_three_steps_unless_told_otherwise():
    assert layers.UnrolledEncoder(layers.Dictionary(9), 4, 2).steps == 3


def unrolled_autoencoder():
    keras.utils.set_random_seed(1)
    dictionary, shape = layers.Dictionary(9), (3, 3, 1)
    encoder = [keras.Input(shape), keras.layers.Flatten(), layers.UnrolledEncoder(dictionary, 12, 3, steps=2)]
    decoder = keras.Sequential([keras.Input((12,)), dictionary, keras.layers.Reshape(shape)])
    model = models.Autoencoder(keras.Sequential(encoder), decoder)
    model.build((None, *shape))
    return model


@pytest.mark.backend
def test_unrolled_encoder_and_decoder_train_one_dictionary():
    model = unrolled_autoencoder()
    assert len(model.trainable_variables) == 3  # D, W and the step sizes
    before = model.get_weights()
    images = np.random.default_rng(0).normal(size=(60, 3, 3, 1)).astype("float32")
    history = training.fit(model, images, epochs=8, batch_size=20, learning_rate=0.02, verbose=0).history
    assert history["mse"][-1] < history["mse"][0]
    assert np.all(np.count_nonzero(model.encode(images), axis=1) <= 3)
    assert all(np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True))


def test_output_shapes_are_known_before_a_call():
    assert layers.TopK(2).compute_output_shape((None, 4, 5)) == (None, 4, 5)
    assert layers.Dictionary(9).compute_output_shape((None, 4, 5)) == (None, 4, 9)
    assert layers.UnrolledEncoder(layers.Dictionary(9), 7, 2).compute_output_shape((None, 4, 9)) == (None, 4, 7)
    assert layers.SparsityPenalty(L1Sparsity(1)).compute_output_shape((None, 5)) == (None, 5)
    assert layers.RateBottleneck(1).compute_output_shape((None, 5)) == (None, 5)
    assert layers.MaskingNoise().compute_output_shape((None, 4, 4, 1)) == (None, 4, 4, 1)
    assert layers.DepthToSpace().compute_output_shape((None, 3, 5, 12)) == (None, 6, 10, 3)


# DepthToSpace


@pytest.mark.backend
def test_depth_to_space_puts_four_channels_into_a_block_of_pixels():
    tensor = np.random.default_rng(0).random((2, 3, 5, 12), dtype=np.float32)
    expected = depth_to_space(tensor)
    # The first pixel of the second row of the picture is the third of the four channel groups.
    np.testing.assert_array_equal(expected[0, 1, 0], tensor[0, 0, 0, 6:9])
    layer = layers.DepthToSpace()
    np.testing.assert_array_equal(to_numpy(layer(tensor)), expected)
    assert layer.compute_output_shape(tensor.shape) == expected.shape


@pytest.mark.backend
def test_depth_to_space_takes_blocks_and_pictures_of_any_size():
    tensor = np.random.default_rng(0).random((2, 4, 5, 27), dtype=np.float32)
    model = keras.Sequential([keras.Input((None, None, 27)), layers.DepthToSpace(3)])
    assert model.output_shape == (None, None, None, 3)
    row, column, channel = np.indices((12, 15, 3))
    expected = tensor[:, row // 3, column // 3, 9 * (row % 3) + 3 * (column % 3) + channel]
    np.testing.assert_array_equal(model.predict(tensor, verbose=0), expected)


def test_depth_to_space_refuses_channels_that_do_not_make_blocks():
    assert "divisible by 9; received 4" in refusal(lambda: layers.DepthToSpace(3).build((2, 2, 2, 4)))
    assert refusal(lambda: layers.DepthToSpace(0)).startswith("block must be ")
    assert "divisible by 4; received 6" in refusal(lambda: layers.DepthToSpace().build((2, 2, 2, 6)))


# SparsityPenalty


@pytest.mark.backend
def test_a_penalty_returns_its_codes_and_adds_its_value_to_the_loss():
    codes, layer = codes_like(4, 3), layers.SparsityPenalty(L1Sparsity(0.5))
    np.testing.assert_array_equal(to_numpy(layer(codes)), codes)
    assert [float(loss) for loss in layer.losses] == pytest.approx([0.5 * codes.sum() / 4])


@pytest.mark.parametrize("wrong", [0.1, layers.TopK(1), np.abs])
def test_a_penalty_that_is_no_regularizer_is_refused(wrong):
    message = refusal(lambda: layers.SparsityPenalty(wrong), TypeError)
    assert message.startswith("regularizer must be a Keras regularizer, such as L1Sparsity; received ")
    assert message.endswith(repr(wrong))


def test_a_model_computes_its_penalty_once_when_it_is_first_called():
    # Keras first traces a model that contains an unbuilt layer.
    calls = []

    class Counting(L1Sparsity):
        def __call__(self, codes):
            calls.append(codes)
            return super().__call__(codes)

    autoencoder(penalty=layers.SparsityPenalty(Counting(1)))(images_like())
    assert len(calls) == 1


# Noise: fresh in each call in training

NOISE = {
    "gaussian": (corruption.gaussian, layers.ClippedGaussianNoise, "stddev"),
    "masking": (corruption.masking, layers.MaskingNoise, "probability"),
    "salt_and_pepper": (corruption.salt_and_pepper, layers.SaltAndPepperNoise, "probability"),
}
each_noise = pytest.mark.parametrize("name", NOISE)


@pytest.mark.backend
@each_noise
def test_a_layer_degrades_in_training_anew_each_time_and_nothing_otherwise(name):
    _, make, argument = NOISE[name]
    layer, images = make(**{argument: 0.3}), images_like((8, 12, 3), 40, low=0.1, high=0.9)
    np.testing.assert_array_equal(to_numpy(layer(images)), images)
    np.testing.assert_array_equal(to_numpy(layer(images, training=False)), images)
    first, second = (to_numpy(layer(images, training=True)) for _ in range(2))
    assert np.any(first != images) and np.any(first != second)
    assert first.shape == images.shape and first.dtype == np.float32
    assert np.any(first[0] - images[0] != first[1] - images[1])


@pytest.mark.backend
@each_noise
def test_a_layer_degrades_as_its_function_does(name):
    # The draws differ; how often pixels are hit and how far they move must not.
    degrade, make, argument = NOISE[name]
    images = images_like((16, 16, 3), count=400, low=0.1, high=0.9)
    ours = to_numpy(make(**{argument: 0.3}, seed=1)(images, training=True))
    theirs = degrade(images, 0.3, seed=1)
    for statistic in (
        lambda x: np.mean((x - images) ** 2),
        lambda x: np.mean(x == 0),
        lambda x: np.mean(x == 1),
        lambda x: np.mean((x == 0).all(axis=-1)),
        lambda x: np.mean(x == images),
    ):
        assert statistic(ours) == pytest.approx(statistic(theirs), abs=0.006)


@each_noise
def test_an_amount_of_zero_degrades_nothing_and_the_default_is_that_of_the_function(name):
    degrade, make, argument = NOISE[name]
    images = images_like((8, 12, 3))
    np.testing.assert_array_equal(to_numpy(make(0)(images, training=True)), images)
    config = make().get_config()
    assert (config[argument], config["seed"]) == (0.5, None)
    np.testing.assert_array_equal(degrade(images), degrade(images, 0.5, seed=0))


@pytest.mark.backend
@pytest.mark.parametrize(("drawn", "probability", "salt"), [(0, 0, 0.25), (0.5, 0.5, 0.25), (0.5, 1, 1)])
def test_a_pixel_is_set_where_its_draw_is_below_the_probability_not_equal(drawn, probability, salt, monkeypatch):
    # The smallest draw is 0, and a probability of 0 must not set that pixel.
    monkeypatch.setattr(keras.random, "uniform", lambda shape, **_: ops.full(shape, drawn, "float32"))
    images = np.full((2, 4, 4, 3), 0.25, "float32")
    masked = layers.MaskingNoise(probability)(images, training=True)
    np.testing.assert_array_equal(to_numpy(masked), 0.25 if drawn == probability else 0)
    np.testing.assert_array_equal(to_numpy(layers.SaltAndPepperNoise(probability)(images, training=True)), salt)


@pytest.mark.backend
@each_noise
def test_a_seed_repeats_the_noise_of_a_layer(name):
    make, images = NOISE[name][1], images_like((8, 12, 3))
    first, again, other = (to_numpy(make(seed=seed)(images, training=True)) for seed in (3, np.int64(3), 4))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


@pytest.mark.parametrize("stddev", [-0.1, float("nan"), float("inf"), "0.5", True, None])
def test_a_bad_stddev_is_named_and_shown(stddev):
    message = refusal(lambda: layers.ClippedGaussianNoise(stddev))
    assert message == f"stddev must be a finite number, 0 or more; received {stddev!r}"


@pytest.mark.parametrize("make", [layers.MaskingNoise, layers.SaltAndPepperNoise])
@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan"), "1", True])
def test_a_bad_probability_is_named_and_shown(make, probability):
    message = refusal(lambda: make(probability))
    assert message == f"probability must be a number in [0, 1]; received {probability!r}"


@each_noise
@pytest.mark.parametrize("seed", [-1, 0.5, "0", True, 2**32])
def test_a_bad_seed_is_named_and_shown(name, seed):
    message = refusal(lambda: NOISE[name][1](seed=seed))
    assert message == f"seed must be an integer from 0 to 4,294,967,295; received {seed!r}"


@pytest.mark.backend
def test_layers_that_xla_makes_slower_on_tensorflow_say_so():
    on_tensorflow = keras.backend.backend() == "tensorflow"
    slower = [layers.TopK(1), layers.UnrolledEncoder(layers.Dictionary(2), 2, 1), layers.MaskingNoise()]
    assert [layer.supports_jit for layer in slower] == 3 * [not on_tensorflow]
    assert layers.Dictionary(2).supports_jit and layers.DepthToSpace().supports_jit


@pytest.mark.backend
def test_noise_of_a_training_is_fresh_in_every_epoch_and_repeated_by_the_seed():
    # With weights that hardly move, the loss of an epoch is a fingerprint of the noise drawn in it.
    images = images_like((6, 6, 1), count=20)

    def errors(seed):
        shape = images.shape[1:]
        encoder = [keras.Input(shape), layers.ClippedGaussianNoise(0.5, seed=seed), keras.layers.Flatten()]
        decoder = models.mlp_decoder(shape, 36, hidden=(), output_activation=None)
        model = models.Autoencoder(keras.Sequential(encoder), decoder)
        model.build((None, *shape))
        decoder.get_layer("pixels").set_weights([np.eye(36), np.zeros(36)])
        options = {"epochs": 4, "batch_size": 10, "learning_rate": 1e-9, "seed": 0, "verbose": 0}
        return training.fit(model, images, **options).history["mse"]

    first = errors(seed=3)
    assert len(set(first)) == 4 and min(first) > 0.01
    assert errors(seed=3) == pytest.approx(first, rel=1e-6)
    assert errors(seed=4) != pytest.approx(first, rel=1e-3)


# Files


@pytest.mark.backend
def test_a_denoiser_passes_through_a_file_with_its_noise(tmp_path):
    shape = (8, 8, 1)
    noise = [layers.ClippedGaussianNoise(0.1, seed=7), layers.MaskingNoise(0.2), layers.SaltAndPepperNoise(0.3)]
    encoder = keras.Sequential([keras.Input(shape), *noise, *models.mlp_encoder(shape, 3, hidden=()).layers])
    model = models.Autoencoder(encoder, models.mlp_decoder(shape, 3, hidden=()))
    images = images_like(shape, count=4)
    answer = model.reconstruct(images)
    model.save(tmp_path / "denoiser.keras")
    loaded = keras.saving.load_model(tmp_path / "denoiser.keras")
    np.testing.assert_allclose(loaded.reconstruct(images), answer, atol=1e-6)
    found = [layer for layer in loaded.encoder.layers if hasattr(layer, "amount")]
    assert [(type(layer), layer.amount, layer.seed) for layer in found] == [
        (layers.ClippedGaussianNoise, 0.1, 7),
        (layers.MaskingNoise, 0.2, None),
        (layers.SaltAndPepperNoise, 0.3, None),
    ]


READ = """
import json, pathlib, sys
import keras, numpy as np
import aelib.models
folder, seen = pathlib.Path(sys.argv[1]), {}
images = np.load(folder / "images.npy")
for file in sorted(folder.glob("*.keras")):
    model = keras.saving.load_model(file)
    np.savez(folder / f"{file.stem}.npz", codes=model.encode(images), images=model.reconstruct(images))
    penalty = model.penalty and model.penalty.regularizer.get_config()
    seen[file.stem] = [penalty, len(model.trainable_variables)]
print(json.dumps(seen))
"""


@pytest.mark.backend
def test_models_read_by_a_new_process_keep_every_number(tmp_path):
    odd = {"l1": L1Sparsity(0.1 + 0.2), "reverse": KLSparsity(1 / 3, 0.7, reverse=True)}
    saved = {name: autoencoder((3, 3, 1), (), 6, layers.SparsityPenalty(one)) for name, one in odd.items()}
    saved["unrolled"] = unrolled_autoencoder()
    images = codes_like(10, 3, 3, 1)
    np.save(tmp_path / "images.npy", images)
    for name, model in saved.items():
        model.build(images.shape)
        model.save(tmp_path / f"{name}.keras")
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run([sys.executable, "-c", READ, tmp_path], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    for name, model in saved.items():
        assert seen[name] == [odd[name].get_config() if name in odd else None, len(model.trainable_variables)]
        with np.load(tmp_path / f"{name}.npz") as arrays:
            np.testing.assert_array_equal(arrays["codes"], model.encode(images))
            np.testing.assert_array_equal(arrays["images"], model.reconstruct(images))


@pytest.mark.parametrize(
    "layer",
    [
        layers.TopK(7),
        layers.Dictionary(9),
        layers.UnrolledEncoder(layers.Dictionary(9), 7, 2, steps=4),
        layers.SparsityPenalty(KLSparsity(0.1, 0.8)),
        layers.DepthToSpace(3),
        layers.RateBottleneck(0.1, scale=2, components=2, seed=5),
        layers.ClippedGaussianNoise(0.3, seed=5),
        layers.MaskingNoise(0.3, seed=5),
        layers.SaltAndPepperNoise(0.3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_survives_its_configuration(layer):
    config = layer.get_config()
    again = type(layer).from_config(json.loads(json.dumps(config))).get_config()
    for name in ("dictionary", "shared_object_id"):
        config.pop(name, None), again.pop(name, None)
    assert again == config
