"""BatchTopK, AdaptiveThreshold, JumpReLU and UnrolledEncoder(on_average=True): values, gradients, training, files."""

import json
import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from helpers import gradient, refusal, value
from keras import ops

from aelib import layers, models

to_numpy = ops.convert_to_numpy
half_precision = pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def keep_of_batch(codes, k):
    """Return the k * n largest entries of a batch of n codes, and the smallest of them that is not zero."""
    sizes = np.sort(abs(codes).ravel())[::-1]
    count = max(1, round(k * codes.size / codes.shape[-1]))
    kept = np.where(abs(codes) >= sizes[count - 1], codes, 0)
    return kept, abs(kept[kept != 0]).min(initial=np.inf)


def after_a_step(layer, codes, weights, learning_rate=1.0):
    """Return the trainable weights before and after a step of plain SGD on the mean of sum(weights * output)."""

    def loss(y_true, y_pred):
        return ops.sum(y_true * y_pred, axis=-1)

    model = keras.Sequential([keras.Input(codes.shape[1:]), layer])
    model.compile(keras.optimizers.SGD(learning_rate), loss)
    before = [to_numpy(weight).copy() for weight in model.trainable_variables]
    model.fit(codes, weights, batch_size=len(codes), epochs=1, verbose=0)
    return before, [to_numpy(weight) for weight in model.trainable_variables]


# BatchTopK


@pytest.mark.backend
@pytest.mark.parametrize(("k", "shape"), [(2, (6, 9)), (2.3, (6, 9)), (0.4, (7, 9)), (9, (6, 9)), (3, (4, 2, 9))])
def test_a_batch_keeps_its_largest_entries_k_per_code_on_average(k, shape):
    codes = normal(*shape)
    expected, smallest = keep_of_batch(codes, k)
    layer = layers.BatchTopK(k)
    found = to_numpy(layer(codes, training=True))
    np.testing.assert_array_equal(found, expected)
    assert np.count_nonzero(found) == round(k * codes.size / 9)
    if k < 9:
        assert len(set(np.count_nonzero(found, axis=-1).ravel())) > 1, "the codes do not compete"
    assert value(layer.threshold) == pytest.approx(smallest)


@pytest.mark.backend
@pytest.mark.parametrize(("k", "kept"), [(1, 1), (2.6, 3), (0.1, 1), (5, 5)])
def test_a_batch_of_one_code_keeps_the_nearest_number_and_at_least_one(k, kept):
    codes = normal(1, 5)
    found = to_numpy(layers.BatchTopK(k)(codes, training=True))
    assert np.count_nonzero(found) == kept
    np.testing.assert_array_equal(found, keep_of_batch(codes, k)[0])


@pytest.mark.backend
def test_entries_as_large_as_the_smallest_one_kept_are_kept_too():
    codes = np.array([[3, -2, 1], [2, 2, 0]], "float32")
    layer = layers.BatchTopK(1)
    np.testing.assert_array_equal(to_numpy(layer(codes, training=True)), [[3, -2, 0], [2, 2, 0]])
    assert value(layer.threshold) == 2


@pytest.mark.backend
def test_the_threshold_is_a_mean_over_the_first_batches_and_then_a_running_average():
    layer, expected = layers.BatchTopK(2, momentum=0.8), 0.0
    for batch in range(12):
        codes = normal(7 if batch % 3 else 4, 9, seed=batch) * (1 + batch)
        _, smallest = keep_of_batch(codes, 2)
        layer(codes, training=True)
        momentum = min(0.8, batch / (batch + 1))
        expected = momentum * expected + (1 - momentum) * smallest
        assert value(layer.threshold) == pytest.approx(expected, rel=1e-5)
        assert value(layer.batches) == batch + 1
    first = [keep_of_batch(normal(5, 9, seed=seed), 2)[1] for seed in range(3)]
    layer = layers.BatchTopK(2)
    for seed in range(3):
        layer(normal(5, 9, seed=seed), training=True)
    assert value(layer.threshold) == pytest.approx(np.mean(first), rel=1e-6)


@pytest.mark.backend
def test_in_use_a_code_depends_on_the_threshold_and_not_on_its_batch():
    layer, codes = layers.BatchTopK(2), normal(6, 9)
    np.testing.assert_array_equal(to_numpy(layer(codes)), codes)  # before any training the threshold is 0
    layer(codes, training=True)
    threshold, batches = value(layer.threshold), value(layer.batches)
    others = 10 * normal(6, 9, seed=1)
    for training in (False, None):
        found = to_numpy(layer(np.concatenate([codes, others]), training=training))
        np.testing.assert_array_equal(found[:6], np.where(abs(codes) >= np.float32(threshold), codes, 0))
        np.testing.assert_array_equal(found[:1], to_numpy(layer(codes[:1], training=training)))
    assert (value(layer.threshold), value(layer.batches)) == (threshold, batches)
    layer.threshold.assign(1.5)
    np.testing.assert_array_equal(to_numpy(layer(codes)), np.where(abs(codes) >= 1.5, codes, 0))


@pytest.mark.backend
def test_zeros_are_no_smallest_entry_and_a_batch_of_zeros_leaves_the_threshold():
    # As in the paper, whose codes come from a ReLU: the smallest entry kept is the smallest that is not zero.
    layer = layers.BatchTopK(3)
    codes = np.array([[0, 0.5, 0, 0], [2, 0, 0, 1]], "float32")
    np.testing.assert_array_equal(to_numpy(layer(codes, training=True)), codes)
    assert value(layer.threshold) == 0.5
    zeros = np.zeros((2, 4), "float32")
    np.testing.assert_array_equal(to_numpy(layer(zeros, training=True)), zeros)
    assert (value(layer.threshold), value(layer.batches)) == (0.5, 1)


@pytest.mark.backend
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make", [layers.BatchTopK, layers.AdaptiveThreshold])
def test_the_gradient_passes_through_what_is_kept_and_nothing_else(make, training):
    codes, weights, layer = normal(5, 7, seed=1), normal(5, 7, seed=2), make(2)
    layer.build(codes.shape)
    layer.threshold.assign(0.9)
    kept = keep_of_batch(codes, 2)[0] if training and make is layers.BatchTopK else codes * (abs(codes) >= 0.9)
    assert 0 < np.count_nonzero(kept) < kept.size
    found = gradient(lambda codes: ops.sum(ops.multiply(layer(codes, training=training), weights)), codes)
    np.testing.assert_allclose(found, weights * (kept != 0), atol=1e-6)


@pytest.mark.backend
@half_precision
def test_half_precision_codes_move_a_threshold_kept_in_full_precision(policy):
    codes = normal(6, 9)
    layer = layers.BatchTopK(2, dtype=policy)
    layer.build(codes.shape)
    layer.threshold.assign(1.0)
    layer.batches.assign(5000)
    kept = layer(codes, training=True)
    assert keras.backend.standardize_dtype(kept.dtype) == policy.removeprefix("mixed_")
    rounded = to_numpy(ops.cast(ops.cast(codes, policy.removeprefix("mixed_")), "float32"))
    expected, smallest = keep_of_batch(rounded, 2)
    np.testing.assert_array_equal(to_numpy(ops.cast(kept, "float32")), expected)
    assert value(layer.threshold) == pytest.approx(0.99 + 0.01 * smallest, rel=1e-6)
    assert value(layer.batches) == 5001
    layer = layers.AdaptiveThreshold(300, dtype=policy)
    layer(np.full((3, 301), 2, "float32"), training=True)
    assert value(layer.threshold) == pytest.approx(np.exp(0.02 / 300), rel=1e-6)


# AdaptiveThreshold


@pytest.mark.backend
@pytest.mark.parametrize(("k", "shape"), [(2, (6, 9)), (2.5, (1, 9)), (0.5, (4, 2, 9))])
def test_a_threshold_keeps_what_reaches_it_and_moves_by_the_surplus(k, shape):
    layer, threshold = layers.AdaptiveThreshold(k, rate=0.3), 1.0
    for batch in range(6):
        codes = normal(*shape, seed=batch)
        kept = np.where(abs(codes) >= np.float32(threshold), codes, 0)
        np.testing.assert_array_equal(to_numpy(layer(codes, training=True)), kept)
        surplus = np.count_nonzero(kept, axis=-1).mean() / k - 1
        threshold *= np.exp(0.3 * min(surplus, 1))
        assert value(layer.threshold) == pytest.approx(threshold, rel=1e-5)


@pytest.mark.backend
def test_a_threshold_moves_by_no_more_than_its_rate_and_only_in_training():
    layer = layers.AdaptiveThreshold(1, rate=0.1)
    many, none = np.full((4, 9), -5, "float32"), np.zeros((4, 9), "float32")
    layer(many), layer(many, training=False)
    assert value(layer.threshold) == 1
    layer(many, training=True)
    assert value(layer.threshold) == pytest.approx(np.exp(0.1))
    np.testing.assert_array_equal(to_numpy(layer(none, training=True)), none)
    assert value(layer.threshold) == pytest.approx(1)
    exact = np.array([[1, 0, 0]], "float32")
    layer.threshold.assign(1)
    np.testing.assert_array_equal(to_numpy(layer(exact, training=True)), exact)
    assert value(layer.threshold) == pytest.approx(1)


@pytest.mark.backend
def test_a_threshold_settles_where_k_entries_are_kept_on_average():
    layer = layers.AdaptiveThreshold(2.5, rate=0.05)
    for batch in range(200):
        layer(normal(50, 20, seed=batch), training=True)
    kept = np.count_nonzero(to_numpy(layer(normal(2000, 20, seed=1000))), axis=1)
    assert kept.mean() == pytest.approx(2.5, rel=0.1) and kept.std() > 0.5


@pytest.mark.backend
def test_a_threshold_that_fell_while_nothing_was_active_can_rise_again():
    layer, codes = layers.AdaptiveThreshold(2, rate=1), normal(6, 9)
    for _ in range(150):  # e^-150 is zero in float32
        layer(np.zeros_like(codes), training=True)
    low = value(layer.threshold)
    layer(codes, training=True)
    assert 0 < low < value(layer.threshold) < 1e-20


# JumpReLU


def jump_relu(codes, weight=0.0, bandwidth=0.4, low=0.3, high=0.9):
    """Return a layer whose units have different thresholds, and the thresholds."""
    threshold = np.linspace(low, high, codes.shape[-1])
    layer = layers.JumpReLU(weight, bandwidth=bandwidth, threshold=0.5)
    layer.build(codes.shape)
    layer.set_weights([np.log(threshold)])
    return layer, threshold


@pytest.mark.backend
@pytest.mark.parametrize("shape", [(6, 9), (1, 9), (4, 2, 9)])
@pytest.mark.parametrize("training", [True, False])
def test_jump_relu_keeps_what_exceeds_the_threshold_of_its_unit_and_adds_the_l0(shape, training):
    codes = normal(*shape)
    codes[..., 3] = 0
    layer, threshold = jump_relu(codes, weight=0.25)
    kept = np.where(codes > threshold, codes, 0)
    np.testing.assert_array_equal(to_numpy(layer(codes, training=training)), kept)
    np.testing.assert_allclose(to_numpy(layer.threshold), threshold, rtol=1e-6)
    l0 = np.count_nonzero(kept, axis=-1).mean()
    assert l0 > 0 and [value(loss) for loss in layer.losses] == pytest.approx([0.25 * l0])


@pytest.mark.backend
def test_the_initial_threshold_is_the_same_for_every_unit_and_an_entry_equal_to_it_is_not_kept():
    layer = layers.JumpReLU(1, threshold=1)
    codes = np.array([[1, 1.5, -2, 0]], "float32")
    np.testing.assert_array_equal(to_numpy(layer(codes)), [[0, 1.5, 0, 0]])
    np.testing.assert_array_equal(to_numpy(layer.threshold), np.ones(4))
    defaults = layers.JumpReLU(1)
    defaults.build((None, 3))
    np.testing.assert_allclose(to_numpy(defaults.threshold), np.full(3, 0.001), rtol=1e-5)
    assert defaults.get_config()["bandwidth"] == 0.001


@pytest.mark.backend
@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_thresholds_get_the_pseudo_derivatives_of_the_paper(weight):
    # Rajamanoharan et al. 2024, equations 11 and 12, with the kernel K(u) = 1 for |u| < 1/2:
    # d JumpReLU / d threshold = -threshold / bandwidth K((z - threshold) / bandwidth), and
    # d L0 / d threshold = -1 / bandwidth K((z - threshold) / bandwidth).
    codes, upstream = normal(40, 9), normal(40, 9, seed=1)
    layer, threshold = jump_relu(codes, weight)
    kernel = (abs((codes - threshold) / 0.4) < 0.5).astype("float64")
    assert np.all(kernel.sum(axis=0) > 0)
    slope = (upstream * (-threshold / 0.4 * kernel)).sum(axis=0) / 40  # of the mean over the batch
    slope += weight * (-1 / 0.4 * kernel).sum(axis=0) / 40
    (before,), (after,) = after_a_step(layer, codes, upstream, learning_rate=0.01)
    np.testing.assert_allclose(before, np.log(threshold), rtol=1e-6)
    # The chain rule: the layer learns the logarithm of the threshold.
    np.testing.assert_allclose((before - after) / 0.01, slope * threshold, rtol=1e-3, atol=1e-5)


@pytest.mark.backend
def test_codes_get_the_gradient_of_what_is_kept_and_none_from_the_l0():
    codes, upstream = normal(5, 9), normal(5, 9, seed=1)
    layer, threshold = jump_relu(codes, weight=3)

    def loss(codes):
        output = layer(codes, training=True)
        return ops.sum(ops.multiply(output, upstream)) + sum(layer.losses)

    np.testing.assert_allclose(gradient(loss, codes), upstream * (codes > threshold), atol=1e-6)


@pytest.mark.backend
def test_a_larger_weight_raises_the_thresholds():
    codes, l0 = abs(normal(200, 9)), {}
    for weight in (0.0, 0.5):
        layer, _ = jump_relu(codes, weight, bandwidth=0.2)
        model = keras.Sequential([keras.Input((9,)), layer])
        model.compile(keras.optimizers.SGD(0.05), "mse")
        model.fit(codes, codes, epochs=10, batch_size=20, verbose=0)
        l0[weight] = np.count_nonzero(model.predict(codes, verbose=0)) / len(codes)
    assert l0[0.5] < 0.8 * l0[0.0]


@pytest.mark.backend
@half_precision
def test_a_narrow_ramp_does_not_overflow_in_half_precision(policy):
    codes = abs(normal(6, 9)) + 1
    layer = layers.JumpReLU(0.5, bandwidth=1e-6, dtype=policy)
    found = to_numpy(ops.cast(layer(codes), "float32"))
    np.testing.assert_allclose(found, codes, rtol=0.01)
    assert [value(loss) for loss in layer.losses] == [4.5]
    (before,), (after,) = after_a_step(layer, codes, codes)
    np.testing.assert_array_equal(before, after)


@pytest.mark.backend
@half_precision
def test_half_precision_codes_are_compared_with_a_threshold_in_full_precision(policy):
    # Which bfloat16 would round to 1.
    layer, ones = layers.JumpReLU(0, threshold=0.999, dtype=policy), np.ones((2, 3), "float32")
    np.testing.assert_array_equal(to_numpy(ops.cast(layer(ones), "float32")), ones)


# UnrolledEncoder(on_average=True)


def at_least(codes, threshold):
    return np.where(abs(codes) >= threshold, codes, 0)


@pytest.mark.backend
def test_an_unrolled_encoder_on_average_has_a_threshold_for_each_step():
    keras.utils.set_random_seed(0)
    dictionary = layers.Dictionary(9)
    encoder = layers.UnrolledEncoder(dictionary, 12, 2.5, steps=2, on_average=True)
    x = normal(6, 9)
    encoder.build(x.shape)
    thresholds = 0.8, 0.5, 0.6
    for layer, threshold in zip(encoder.keep, thresholds, strict=True):
        layer.threshold.assign(threshold)
    D, W = to_numpy(dictionary.atoms), to_numpy(encoder.kernel)
    codes, kept = at_least(x @ W, 0.8), []
    kept.append(np.count_nonzero(codes, axis=1).mean())
    for threshold in thresholds[1:]:
        codes = at_least(codes + 0.5 * (x - codes @ D) @ D.T, threshold)
        kept.append(np.count_nonzero(codes, axis=1).mean())
    np.testing.assert_allclose(to_numpy(encoder(x)), codes, atol=1e-5)
    assert [value(layer.threshold) for layer in encoder.keep] == pytest.approx(thresholds)
    np.testing.assert_allclose(to_numpy(encoder(x, training=True)), codes, atol=1e-5)
    moved = [
        threshold * np.exp(0.02 * min(count / 2.5 - 1, 1)) for threshold, count in zip(thresholds, kept, strict=True)
    ]
    assert [value(layer.threshold) for layer in encoder.keep] == pytest.approx(moved, rel=1e-5)


@pytest.mark.backend
@pytest.mark.only_on("tensorflow")
@pytest.mark.parametrize("on_average", [False, True])
def test_an_unrolled_encoder_computes_in_its_own_precision(on_average):
    # On JAX and PyTorch, Keras multiplies matrices in float32 unless floatx is float64.
    dictionary = layers.Dictionary(9, dtype="float64")
    encoder = layers.UnrolledEncoder(dictionary, 12, 3, steps=1, on_average=on_average, dtype="float64")
    x = normal(6, 9).astype("float64")
    found = to_numpy(encoder(x))
    assert found.dtype == "float64"
    D, W = to_numpy(dictionary.atoms), to_numpy(encoder.kernel)

    def keep(codes):
        return at_least(codes, 1 if on_average else np.sort(abs(codes), axis=1)[:, -3:-2])

    codes = keep(x @ W)
    np.testing.assert_allclose(found, keep(codes + 0.5 * (x - codes @ D) @ D.T), atol=1e-12)


def test_a_configuration_saved_without_on_average_means_k_for_each_code():
    encoder = layers.UnrolledEncoder(layers.Dictionary(9), 12, 3, steps=2)
    config = json.loads(json.dumps(encoder.get_config()))
    del config["on_average"]
    old = layers.UnrolledEncoder.from_config(config)
    assert old.on_average is False and old.k == 3
    assert [type(layer) for layer in old.keep] == [layers.TopK] * 3


# What all of them share

ARGUMENTS = {
    "BatchTopK": {"k": 2.5, "momentum": 0.9},
    "AdaptiveThreshold": {"k": 2.5, "rate": 0.1},
    "JumpReLU": {"weight": 0.01, "bandwidth": 0.2, "threshold": 0.3},
    "UnrolledEncoder": {"units": 12, "k": 2.5, "steps": 2, "on_average": True},
}
LAYERS = {
    "BatchTopK": lambda: layers.BatchTopK(**ARGUMENTS["BatchTopK"]),
    "AdaptiveThreshold": lambda: layers.AdaptiveThreshold(**ARGUMENTS["AdaptiveThreshold"]),
    "JumpReLU": lambda: layers.JumpReLU(**ARGUMENTS["JumpReLU"]),
    "UnrolledEncoder": lambda: layers.UnrolledEncoder(layers.Dictionary(12), **ARGUMENTS["UnrolledEncoder"]),
}
each_layer = pytest.mark.parametrize("name", LAYERS)


def sparse_autoencoder(name):
    """Return a built autoencoder of images (3, 4, 1) with 12 units; the same weights every time."""
    keras.utils.set_random_seed(1)
    layer, shape = LAYERS[name](), (3, 4, 1)
    encoder = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(12), layer]
    decoder = keras.Sequential([keras.Input((12,)), layers.Dictionary(12), keras.layers.Reshape(shape)])
    model = models.Autoencoder(keras.Sequential(encoder), decoder)
    model.build((None, *shape))
    return model


def trained(name, epochs=4, **kwargs):
    """Return the model after some epochs with a last batch that is smaller, and Keras's history."""
    model, images = sparse_autoencoder(name), normal(25, 3, 4, 1)
    model.compile(keras.optimizers.SGD(0.2), "mse", metrics=["mse"], **kwargs)
    return model, model.fit(images, images, batch_size=10, epochs=epochs, shuffle=False, verbose=0).history


@pytest.mark.parametrize("make", [layers.BatchTopK, layers.AdaptiveThreshold])
def test_the_state_of_a_threshold_is_no_weight_to_be_trained(make):
    layer = make(2)
    layer.build((None, 9))
    assert not layer.trainable_variables and layer.non_trainable_variables


@each_layer
def test_the_shape_of_the_codes_is_known_before_a_call(name):
    assert LAYERS[name]().compute_output_shape((None, 4, 12)) == (None, 4, 12)


@pytest.mark.backend
@each_layer
def test_a_network_with_the_layer_trains(name):
    model, history = trained(name, epochs=30)
    assert history["mse"][-1] < 0.8 * history["mse"][0]
    fresh = sparse_autoencoder(name)
    assert all(np.any(old != new) for old, new in zip(fresh.get_weights(), model.get_weights(), strict=True))


@pytest.mark.backend
@pytest.mark.only_on("tensorflow", "jax")
@each_layer
def test_training_is_the_same_with_xla_where_the_layer_supports_it(name):
    layer = LAYERS[name]()
    sorts = name == "BatchTopK"
    assert layer.supports_jit == (not sorts or keras.backend.backend() == "jax")
    if layer.supports_jit:
        plain, fast = (trained(name, jit_compile=choice)[0] for choice in (False, True))
        for one, other in zip(plain.get_weights(), fast.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.backend
@each_layer
@pytest.mark.parametrize("policy", ["float64", "mixed_float16", "mixed_bfloat16"])
def test_the_layer_trains_under_every_dtype_policy(name, policy, set_dtype_policy):
    set_dtype_policy(policy)
    model, history = trained(name)
    assert np.all(np.isfinite(history["loss"])) and history["mse"][-1] < history["mse"][0]
    assert model.encode(normal(3, 3, 4, 1)).shape == (3, 12)


def test_batch_topk_counts_a_smaller_last_batch_like_any_other():
    # Twenty-five codes in batches of ten; nothing learns.
    codes, layer = normal(25, 9), layers.BatchTopK(2)
    model = keras.Sequential([keras.Input((9,)), layer])
    model.compile("sgd", "mse")
    model.fit(codes, codes, batch_size=10, shuffle=False, verbose=0)
    smallest = [keep_of_batch(codes[start : start + 10], 2)[1] for start in (0, 10, 20)]
    assert value(layer.threshold) == pytest.approx(np.mean(smallest), rel=1e-6) and value(layer.batches) == 3


READ = """
import pathlib, sys
import keras, numpy as np
import aelib.models
folder = pathlib.Path(sys.argv[1])
images = np.load(folder / "images.npy")
for file in sorted(folder.glob("*.keras")):
    model = keras.saving.load_model(file)
    np.savez(folder / f"{file.stem}.npz", codes=model.encode(images), images=model.reconstruct(images))
"""


@pytest.mark.backend
def test_models_read_by_a_new_process_keep_every_number(tmp_path):
    saved, images = {name: sparse_autoencoder(name) for name in LAYERS}, normal(10, 3, 4, 1, seed=1)
    np.save(tmp_path / "images.npy", images)
    for name, model in saved.items():
        for seed in range(3):  # which moves the thresholds
            model(normal(10, 3, 4, 1, seed=seed), training=True)
        model.save(tmp_path / f"{name}.keras")
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run([sys.executable, "-c", READ, tmp_path], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    for name, model in saved.items():
        codes = model.encode(images)
        assert 0 < np.count_nonzero(codes) < codes.size
        with np.load(tmp_path / f"{name}.npz") as arrays:
            np.testing.assert_array_equal(arrays["codes"], codes)
            np.testing.assert_array_equal(arrays["images"], model.reconstruct(images))


@pytest.mark.backend
def test_a_file_of_an_unrolled_encoder_without_on_average_is_read(tmp_path):
    keras.utils.set_random_seed(0)
    encoder = layers.UnrolledEncoder(layers.Dictionary(9), 12, 3, steps=2)
    model = keras.Sequential([keras.Input((9,)), encoder, encoder.dictionary])
    model.save(tmp_path / "present.keras")
    with zipfile.ZipFile(tmp_path / "present.keras") as present, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        for name in present.namelist():
            content = present.read(name)
            if name == "config.json":
                assert content.count(b'"on_average": false, ') == 1
                content = content.replace(b'"on_average": false, ', b"")
            old.writestr(name, content)
    x = normal(5, 9)
    found = keras.saving.load_model(tmp_path / "old.keras")
    np.testing.assert_array_equal(to_numpy(found(x)), to_numpy(model(x)))


@each_layer
def test_a_layer_survives_its_configuration(name):
    layer = LAYERS[name]()
    config = layer.get_config()
    again = type(layer).from_config(json.loads(json.dumps(config))).get_config()
    for key in ("dictionary", "shared_object_id"):
        config.pop(key, None), again.pop(key, None)
    assert again == config
    assert ARGUMENTS[name].items() <= config.items()


REFUSED = [
    (layers.BatchTopK, "k", [0, -1, "3", True, float("nan")]),
    (layers.BatchTopK, "momentum", [1, -0.1, "a", None]),
    (layers.AdaptiveThreshold, "k", [0, -1, "3", True, float("inf")]),
    (layers.AdaptiveThreshold, "rate", [0, 1.5, "a", None]),
    (layers.JumpReLU, "weight", [-1, "a", None, float("nan")]),
    (layers.JumpReLU, "bandwidth", [0, -1, "a", None]),
    (layers.JumpReLU, "threshold", [0, -1, "a", None]),
]


@pytest.mark.parametrize(
    ("make", "named", "wrong"), [(make, named, wrong) for make, named, values in REFUSED for wrong in values]
)
def test_arguments_out_of_range_are_named_and_shown(make, named, wrong):
    arguments = {"weight" if make is layers.JumpReLU else "k": 1, named: wrong}
    message = refusal(lambda: make(**arguments))
    assert message.startswith(f"{named} must be ") and message.endswith(f"received {wrong!r}")


@pytest.mark.parametrize("make", [layers.BatchTopK, layers.AdaptiveThreshold])
def test_a_k_larger_than_the_code_is_refused(make):
    make(4).build((None, 4))
    assert refusal(lambda: make(4.5).build((None, 4))) == "k must be a number in (0, 4]; received 4.5"


@pytest.mark.parametrize("wrong", [0, 4.5, "3", True, float("nan")])
def test_an_unrolled_encoder_on_average_refuses_a_k_out_of_range_when_it_is_made(wrong):
    message = refusal(lambda: layers.UnrolledEncoder(layers.Dictionary(9), 4, wrong, on_average=True))
    assert message == f"k must be a number in (0, 4]; received {wrong!r}"
    assert refusal(lambda: layers.UnrolledEncoder(layers.Dictionary(9), 4, 2.5)).endswith("received 2.5")


def test_numbers_of_numpy_are_taken_and_saved_as_plain_ones():
    encoder = layers.UnrolledEncoder(layers.Dictionary(9), 4, np.float32(2.5), on_average=True)
    others = [make(np.float32(2.5)) for make in (layers.BatchTopK, layers.AdaptiveThreshold)]
    assert [type(layer.get_config()["k"]) for layer in (encoder, *others)] == [float] * 3
