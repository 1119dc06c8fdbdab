"""AuxKAutoencoder: the loss AuxK and its gradient against NumPy, the count of silent inputs, training, files."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers import keep_largest, refusal, value
from keras import ops

from aelib import layers, models, training

to_numpy = ops.convert_to_numpy
UNITS, FEATURES = 8, 5


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def auxk(*, k=2, k_aux=2, bias=False, sparsity=None, **kwargs):
    """Return a built model 5-8-5 with the same weights every time."""
    encoder = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(UNITS, "relu")])
    decoder = keras.Sequential([keras.Input((UNITS,)), keras.layers.Dense(FEATURES, use_bias=bias)])
    model = models.AuxKAutoencoder(encoder, decoder, sparsity or layers.TopK(k), k_aux=k_aux, **kwargs)
    model.build((None, FEATURES))
    # The same numbers on every backend.
    encoder.layers[0].set_weights([0.5 * normal(FEATURES, UNITS, seed=3), 0.1 * normal(UNITS, seed=5)])
    decoder.layers[0].kernel.assign(0.5 * normal(UNITS, FEATURES, seed=4))
    if bias:
        decoder.layers[0].bias.assign(normal(FEATURES, seed=6))
    return model


def forward(model, x, k=2):
    """Return pre-activations, codes, the matrix D of the decoder, and the output, computed by NumPy."""
    kernel, bias = (to_numpy(weight).astype("float64") for weight in model.encoder.layers[0].weights)
    D, *offset = (to_numpy(weight).astype("float64") for weight in model.decoder.layers[0].weights)
    pre_activations = np.maximum(x @ kernel + bias, 0)
    codes = keep_largest(pre_activations, k)
    return pre_activations, codes, D, codes @ D + sum(offset)


def silence(model, dead, x, k=2):
    """Make the units `dead`, which no input of x uses, dead at the next step."""
    encoder = model.encoder.layers[0]
    encoder.kernel.assign(np.where(dead, 0.02, 1) * to_numpy(encoder.kernel))
    encoder.bias.assign(np.where(dead, 0.01, to_numpy(encoder.bias)))
    model.silent_for.assign(np.where(dead, model.dead_after, 0))
    assert not np.any(forward(model, x, k)[1][:, dead])


DEAD = np.arange(UNITS) % 2 == 0


def inputs(model, n=12):
    """Return inputs for which at least two living units exceed the dead ones, and at least one dead unit is active."""
    x = normal(60, FEATURES)
    pre_activations = forward(model, x)[0]
    living = np.sort(pre_activations[:, ~DEAD], axis=1)[:, -2] > 0.2
    return x[living][:n]


def error_and_slopes(model, x, dead, k=2, k_aux=2):
    """Return AuxK without its weight, and its derivatives by encoder kernel, encoder bias and decoder kernel."""
    pre_activations, _, D, output = forward(model, x, k)
    aux = keep_largest(pre_activations * dead, k_aux)
    difference = aux @ D - (x - output)
    slope = 2 * difference / difference.size
    before_relu = (slope @ D.T) * (aux != 0)
    return np.mean(difference**2), [x.T @ before_relu, before_relu.sum(axis=0), aux.T @ slope]


@pytest.mark.backend
def test_codes_and_output_are_those_of_encoder_sparsity_and_decoder():
    model, x = auxk(bias=True), normal(12, FEATURES)
    pre_activations, codes, _, output = forward(model, x)
    np.testing.assert_allclose(model.encode(x), codes, atol=1e-6)
    np.testing.assert_allclose(model.reconstruct(x), output, atol=1e-5)
    np.testing.assert_allclose(model.decode(codes), output, atol=1e-5)
    np.testing.assert_allclose(to_numpy(model(x, training=True)), output, atol=1e-5)
    assert np.count_nonzero(pre_activations) > np.count_nonzero(codes)
    assert model.compute_output_spec(keras.KerasTensor((None, FEATURES))).shape == (None, FEATURES)


@pytest.mark.backend
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("k_aux", [1, 3])
def test_dead_units_decode_the_residual_and_the_mean_squared_error_is_added(bias, k_aux):
    model = auxk(k_aux=k_aux, weight=0.25, bias=bias)
    x = inputs(model)
    silence(model, DEAD, x)
    error, _ = error_and_slopes(model, x, DEAD, k_aux=k_aux)
    model(x, training=True)
    assert [value(loss) for loss in model.losses] == pytest.approx([0.25 * error], rel=1e-5)
    everything = np.mean((x - forward(model, x)[3]) ** 2)
    assert error != pytest.approx(everything, rel=1e-4), "the dead units decode nothing"


@pytest.mark.backend
@pytest.mark.parametrize("bias", [False, True])
def test_dead_units_get_the_gradient_of_their_error_and_nothing_else_does(bias):
    def step(weight):
        model = auxk(weight=weight, bias=bias)
        silence(model, DEAD, x)
        _, slopes = error_and_slopes(model, x, DEAD)
        model.compile(keras.optimizers.SGD(1.0), "mse")
        model.fit(x, x, batch_size=len(x), epochs=1, verbose=0)
        return [to_numpy(variable) for variable in model.trainable_variables], slopes

    x = inputs(auxk(bias=bias))
    without, _ = step(0.0)
    found, slopes = step(0.5)
    if bias:  # of the decoder: the last
        np.testing.assert_allclose(found.pop(), without.pop(), atol=1e-6)
    for one, other, slope in zip(found, without, slopes, strict=True):
        np.testing.assert_allclose(other - one, 0.5 * slope, atol=2e-6)
    kernel, encoder_bias, D = slopes
    assert not kernel[:, ~DEAD].any() and not encoder_bias[~DEAD].any() and not D[~DEAD].any()
    assert abs(kernel[:, DEAD]).max() > 1e-4 and abs(D[DEAD]).max() > 1e-4


@pytest.mark.backend
def test_nothing_is_added_while_no_unit_is_dead_nor_outside_of_training():
    model, x = auxk(weight=0.5, dead_after=100), normal(12, FEATURES)
    model(x, training=True)
    assert [value(loss) for loss in model.losses] == [0]
    silence(model, DEAD, x := inputs(model))
    before = to_numpy(model.silent_for).copy()
    for mode in (False, None):
        model(x, training=mode)
        assert not model.losses
    model.encode(x), model.reconstruct(x)
    np.testing.assert_array_equal(to_numpy(model.silent_for), before)


@pytest.mark.backend
def test_a_unit_is_dead_once_it_has_been_silent_for_that_many_inputs():
    model = auxk(k=1, weight=1, dead_after=20)
    silent = np.zeros(UNITS)
    seen = []
    for batch, count in enumerate([7, 7, 5, 1, 4, 9]):
        x = normal(count, FEATURES, seed=batch)
        codes = forward(model, x, k=1)[1]
        silent = np.where((codes == 0).all(axis=0), silent + count, 0)
        model(x, training=True)
        np.testing.assert_array_equal(to_numpy(model.silent_for), silent)
        (loss,) = (value(loss) for loss in model.losses)
        dead = silent >= 20
        seen.append(dead.any())
        expected = error_and_slopes(model, x, dead, k=1)[0] if dead.any() else 0
        assert loss == pytest.approx(expected, rel=1e-5)
    assert seen[:3] == [False] * 3 and seen[3], "20 inputs in a row are enough, 19 are not"
    assert np.any(silent == 0)


@pytest.mark.backend
def test_fit_counts_the_inputs_of_every_batch_and_none_of_the_validation():
    model, x = auxk(k=1), normal(25, FEATURES)
    codes = forward(model, x, k=1)[1]
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(x, x, batch_size=10, epochs=2, shuffle=False, validation_data=(x[:7], x[:7]), verbose=0)
    expected = np.zeros(UNITS)
    for start in (0, 10, 20) * 2:
        batch = codes[start : start + 10]
        expected = np.where((batch == 0).all(axis=0), expected + len(batch), 0)
    np.testing.assert_array_equal(to_numpy(model.silent_for), expected)
    assert expected.max() == 50 and expected.min() == 0


@pytest.mark.backend
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_silent_inputs_are_counted_and_errors_squared_in_full_precision(policy, set_dtype_policy):
    set_dtype_policy(policy)
    model = auxk(k=1, weight=1, dead_after=70_000)
    silent_for = np.full(UNITS, 5001.0)
    model.silent_for.assign(silent_for)
    x = normal(1, FEATURES)
    model(x, training=True)
    codes = model.encode(x)
    np.testing.assert_array_equal(to_numpy(model.silent_for), np.where(codes[0] == 0, 5002, 0))
    assert [value(loss) for loss in model.losses] == [0]
    model.silent_for.assign(np.full(UNITS, 69_999.0))
    large = 1000 * x  # whose squares exceed the range of float16
    model(large, training=True)
    (loss,) = (value(loss) for loss in model.losses)
    assert 1e4 < loss < 1e7


@pytest.mark.backend
@pytest.mark.parametrize("policy", ["float64", "mixed_float16", "mixed_bfloat16"])
def test_the_model_trains_under_every_dtype_policy(policy, set_dtype_policy):
    set_dtype_policy(policy)
    model, x = auxk(k=1, weight=1, dead_after=10), normal(60, FEATURES)
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mse"])
    history = model.fit(x, x, batch_size=20, epochs=10, verbose=0).history
    assert history["mse"][-1] < history["mse"][0] and np.all(np.isfinite(history["loss"]))
    assert model.largest.dtype_policy.name == policy


@pytest.mark.backend
def test_dead_units_are_chosen_in_the_precision_of_the_model():
    assert auxk(dtype="float64").largest.compute_dtype == "float64"


def with_dead_units(weight):
    """Return how many units of a model are dead after training, half of which begin too small to be kept."""
    model, x = auxk(k=1, k_aux=4, weight=weight, dead_after=50), normal(100, FEATURES)
    encoder = model.encoder.layers[0]
    encoder.kernel.assign(np.where(DEAD, 0.001, 1) * to_numpy(encoder.kernel))
    encoder.bias.assign(np.zeros(UNITS))
    model.compile(keras.optimizers.SGD(0.03), "mse")
    model.fit(x, x, epochs=20, batch_size=25, shuffle=False, verbose=0)
    return int(np.sum(~model.encode(x).any(axis=0)))


@pytest.mark.backend
def test_dead_units_come_to_life():
    assert with_dead_units(0) >= 3 and with_dead_units(1) <= 1


@pytest.mark.only_on("tensorflow")
def test_the_recipe_uses_no_xla_where_a_layer_that_makes_the_codes_refuses_it():
    steps = 10**8  # enough for XLA to pay
    settings = [
        training.recipe(steps=steps, model=auxk(sparsity=sparsity))["jit_compile"]
        for sparsity in (layers.TopK(2), layers.AdaptiveThreshold(2))
    ]
    assert settings == [False, False]  # AuxK itself contains a TopK


@pytest.mark.backend
@pytest.mark.only_on("jax")
def test_training_with_xla_gives_the_same_weights():
    def weights(jit_compile):
        model, x = auxk(sparsity=layers.AdaptiveThreshold(1.5), weight=0.5, dead_after=20), normal(50, FEATURES)
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit_compile)
        model.fit(x, x, batch_size=20, epochs=4, shuffle=False, verbose=0)
        return model.get_weights()

    for one, other in zip(weights(False), weights(True), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


# Files

READ = """
import pathlib, sys
import keras, numpy as np
import aelib.models
folder = pathlib.Path(sys.argv[1])
x = np.load(folder / "x.npy")
for file in sorted(folder.glob("*.keras")):
    model = keras.saving.load_model(file)
    silent_for = keras.ops.convert_to_numpy(model.silent_for)
    np.savez(folder / f"{file.stem}.npz", codes=model.encode(x), x=model.reconstruct(x), silent_for=silent_for)
"""
SPARSITY = {
    "TopK": lambda: layers.TopK(1),
    "BatchTopK": lambda: layers.BatchTopK(1.5),
    "AdaptiveThreshold": lambda: layers.AdaptiveThreshold(1.5),
    "JumpReLU": lambda: layers.JumpReLU(0.01, threshold=0.3),
}


@pytest.mark.backend
def test_models_read_by_a_new_process_keep_every_number(tmp_path):
    x, saved = normal(25, FEATURES), {}
    np.save(tmp_path / "x.npy", x)
    for name, make in SPARSITY.items():
        saved[name] = auxk(sparsity=make(), dead_after=20)
        for start in (0, 10, 20):
            saved[name](x[start : start + 10], training=True)
        saved[name].save(tmp_path / f"{name}.keras")
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run([sys.executable, "-c", READ, tmp_path], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    for name, model in saved.items():
        codes = model.encode(x)
        assert 0 < np.count_nonzero(codes) < codes.size
        with np.load(tmp_path / f"{name}.npz") as arrays:
            np.testing.assert_array_equal(arrays["codes"], codes)
            np.testing.assert_array_equal(arrays["x"], model.reconstruct(x))
            np.testing.assert_array_equal(arrays["silent_for"], to_numpy(model.silent_for))


@pytest.mark.backend
def test_a_file_that_was_read_trains_on(tmp_path):
    x = normal(25, FEATURES)
    model = auxk(sparsity=layers.BatchTopK(1.5), dead_after=20, weight=0.5)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x, x, batch_size=10, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for one in (model, again):
        one.fit(x, x, batch_size=10, epochs=2, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_model_survives_its_configuration():
    model = auxk(k_aux=3, weight=0.3, dead_after=77, name="sparse")
    config = json.loads(json.dumps(model.get_config()))
    assert {"k_aux": 3, "weight": 0.3, "dead_after": 77, "name": "sparse"}.items() <= config.items()
    again = models.AuxKAutoencoder.from_config(config)
    again.build((None, FEATURES))
    assert again.sparsity.k == 2 and again.encoder.layers[0].units == UNITS
    expected = model.get_config()
    found = again.get_config()
    assert found.keys() == expected.keys() and "penalty" not in found
    names = ("k_aux", "weight", "dead_after", "name")
    assert [found[name] for name in names] == [expected[name] for name in names]


def test_the_defaults_are_the_weight_of_the_paper_and_ten_thousand_inputs():
    config = auxk().get_config()
    assert (config["weight"], config["dead_after"]) == (1 / 32, 10_000)


# What is refused


@pytest.mark.parametrize(
    ("named", "wrong"),
    [(name, wrong) for name in ("k_aux", "dead_after") for wrong in (0, -1, 2.5, "3", True, None)]
    + [("weight", wrong) for wrong in (-1, "a", None, float("nan"))],
)
def test_numbers_out_of_range_are_named_and_shown(named, wrong):
    message = refusal(lambda: auxk(**{named: wrong}))
    assert message.startswith(f"{named} must be ") and message.endswith(f"received {wrong!r}")


def test_more_units_than_there_are_cannot_decode_the_residual():
    auxk(k_aux=UNITS)
    assert refusal(lambda: auxk(k_aux=UNITS + 1)) == "k_aux must be an integer from 1 to 8; received 9"


@pytest.mark.parametrize("named", ["encoder", "decoder", "sparsity"])
def test_a_part_that_is_no_layer_is_named_and_shown(named):
    parts = {"encoder": keras.layers.Dense(8), "decoder": layers.Dictionary(5), "sparsity": layers.TopK(2)}
    message = refusal(lambda: models.AuxKAutoencoder(**{**parts, named: np.abs}, k_aux=1), TypeError)
    assert message.startswith(f"{named} must be a Keras layer") and message.endswith(f"received {np.abs!r}")


def test_a_penalty_which_would_never_be_called_is_refused():
    with pytest.raises(TypeError, match="penalty"):
        auxk(penalty=layers.SparsityPenalty(keras.regularizers.L1(0.1)))


def test_codes_with_more_than_one_axis_are_refused():
    encoder, decoder = keras.layers.Conv2D(4, 1), keras.layers.Conv2D(1, 1)
    model = models.AuxKAutoencoder(encoder, decoder, layers.TopK(2), k_aux=1)
    message = refusal(lambda: model.build((None, 3, 3, 1)))
    assert message == "encoder must return pre-activations (n, units); received shape (None, 3, 3, 4)"
