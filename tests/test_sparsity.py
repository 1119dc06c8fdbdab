"""aelib.sparsity: values against NumPy, gradients against finite differences, batch sizes, precision, files."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from aelib import models, sparsity, training

RHO = 0.9
PENALTIES = {
    "l1": sparsity.L1Sparsity(0.3),
    "kl": sparsity.KLSparsity(0.3, RHO),
    "reverse": sparsity.KLSparsity(0.3, RHO, reverse=True),
}
each_penalty = pytest.mark.parametrize("kind", PENALTIES)


def codes_like(*shape, seed=0):
    """Numbers in (0.02, 0.98), so that every penalty takes them and none is clipped."""
    return (0.02 + 0.96 * np.random.default_rng(seed).random(shape)).astype("float32")


def by_numpy(kind, codes):
    codes = codes.astype("float64").reshape(len(codes), -1)
    if kind == "l1":
        return 0.3 * np.abs(codes).sum(1).mean()
    q = codes.mean(0)
    if kind == "kl":
        return 0.3 * np.sum((1 - q) * np.log((1 - q) / RHO) + q * np.log(q / (1 - RHO)))
    return 0.3 * np.sum(RHO * np.log(RHO / (1 - q)) + (1 - RHO) * np.log((1 - RHO) / q))


def gradient(function, values):
    """The gradient of a scalar function of one tensor, by the backend's own differentiation."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        point = tf.Variable(values)
        with tf.GradientTape() as tape:
            result = function(tf.convert_to_tensor(point))
        return np.asarray(tape.gradient(result, point))
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(function)(values))
    import torch

    point = torch.tensor(values, requires_grad=True)
    function(point).backward()
    return np.zeros_like(values) if point.grad is None else point.grad.numpy()


def value(tensor):
    return float(ops.convert_to_numpy(tensor))


# The penalties


@pytest.mark.backend
@each_penalty
@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 2, 2)])
def test_penalty_is_what_numpy_computes(kind, shape):
    codes = codes_like(*shape)
    assert value(PENALTIES[kind](codes)) == pytest.approx(by_numpy(kind, codes), rel=1e-5)


@pytest.mark.backend
@each_penalty
def test_gradient_of_a_penalty_is_what_finite_differences_give(kind):
    codes = codes_like(4, 3)
    differences = np.zeros((4, 3))
    for index in np.ndindex(4, 3):
        # By the NumPy twin in float64: float32 would leave three digits.
        step = np.zeros((4, 3))
        step[index] = 1e-6
        up, down = (by_numpy(kind, codes.astype("float64") + sign * step) for sign in (1, -1))
        differences[index] = (up - down) / 2e-6
    found = gradient(PENALTIES[kind], codes)
    assert abs(found - differences).max() <= 1e-5 * abs(differences).max()


@pytest.mark.parametrize(
    ("reverse", "q", "cost"),
    [(False, 0.5, 0.511), (True, 0.5, 0.368), (False, 0.0, 0.105), (False, 0.1, 0.0), (True, 0.1, 0.0)],
)
def test_kl_of_one_unit_costs_what_the_lectures_convention_says(reverse, q, cost):
    penalty = sparsity.KLSparsity(1, 0.9, reverse=reverse)
    assert value(penalty(np.full((4, 1), q, "float32"))) == pytest.approx(cost, abs=6e-4)


def test_a_dead_unit_costs_little_in_the_lectures_direction_and_much_in_the_other():
    dead = np.zeros((4, 1), "float32")
    assert value(sparsity.KLSparsity(1, 0.9)(dead)) == pytest.approx(np.log(1 / 0.9), abs=1e-5)
    assert 1 < value(sparsity.KLSparsity(1, 0.9, reverse=True)(dead)) < 2


@pytest.mark.parametrize("kind", ["l1", "kl", "reverse"])
def test_penalty_is_convex_along_a_segment(kind):
    ends = codes_like(8, 5, seed=1), codes_like(8, 5, seed=2)
    start, end = (value(PENALTIES[kind](codes)) for codes in ends)
    for share in np.linspace(0.1, 0.9, 9, dtype="float32"):
        between = value(PENALTIES[kind]((1 - share) * ends[0] + share * ends[1]))
        assert between <= (1 - share) * start + share * end + 1e-6


@pytest.mark.backend
def test_l0_counts_entries_and_has_no_gradient():
    codes = np.array([[0, 1.5, -2, 0], [0, 0, 1e-30, 0]], "float32")
    assert value(sparsity.l0(codes)) == 1.5
    # The zero path of TensorFlow and PyTorch is "no gradient at all"; JAX says zeros.
    if keras.backend.backend() == "jax":
        assert not gradient(sparsity.l0, codes).any()


# Batch size and precision


@pytest.mark.backend
@each_penalty
def test_penalty_does_not_depend_on_the_batch_size(kind):
    rows = codes_like(4, 7)
    strengths = [value(PENALTIES[kind](np.tile(rows, (copies, 1)))) for copies in (1, 8, 64)]
    assert max(strengths) - min(strengths) <= 1e-6 * max(strengths)


def autoencoder(penalty, units=6, activation="sigmoid"):
    keras.utils.set_random_seed(3)
    model = models.Autoencoder(
        models.mlp_encoder((3, 3, 1), units, hidden=(), latent_activation=activation),
        models.mlp_decoder((3, 3, 1), units, hidden=()),
        penalty=penalty and sparsity.SparsityPenalty(penalty),
    )
    model.build((None, 3, 3, 1))
    return model


@pytest.mark.backend
@pytest.mark.parametrize("batch_size", [4, 32, 256])
def test_l1_in_the_training_loss_does_not_depend_on_the_batch_size_nor_on_a_ragged_last_batch(batch_size):
    images = codes_like(70, 3, 3, 1)
    model = autoencoder(PENALTIES["l1"])
    model.compile("sgd", "mse", metrics=["mse"])
    measured = model.evaluate(images, images, batch_size=batch_size, verbose=0, return_dict=True)
    expected = by_numpy("l1", model.encode(images))
    assert measured["loss"] - measured["mse"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.backend
@each_penalty
def test_an_update_feels_the_same_penalty_for_a_batch_and_for_the_batch_twice(kind):
    moved = []
    for copies in (1, 2):
        images = np.tile(codes_like(5, 3, 3, 1), (copies, 1, 1, 1))
        model = autoencoder(PENALTIES[kind])
        before = model.get_weights()[0]
        model.compile(keras.optimizers.SGD(1.0), "mse")
        model.train_on_batch(images, images)
        moved.append(model.get_weights()[0] - before)
    assert abs(moved[0] - moved[1]).max() <= 1e-5 * abs(moved[0]).max()


@pytest.mark.backend
@each_penalty
def test_penalty_is_computed_in_float32_from_half_precision_codes(kind):
    # In half precision their sum, 150,000, is infinite.
    codes = np.full((2, 100_000), 0.75, "float16")
    result = PENALTIES[kind](ops.convert_to_tensor(codes))
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    assert value(result) == pytest.approx(by_numpy(kind, codes), rel=1e-5)


@each_penalty
def test_penalty_stays_finite_under_mixed_precision(kind):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = autoencoder(PENALTIES[kind])
        images = codes_like(20, 3, 3, 1)
        model(images)
        assert keras.backend.standardize_dtype(model.losses[0].dtype) == "float32"
        history = training.fit(model, images, epochs=2, batch_size=5, verbose=False)
        assert np.isfinite(history.penalty).all() and history.penalty[0] > 0
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.backend
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_kl_and_its_gradient_are_finite_for_units_that_are_always_off_or_always_on(reverse, constant):
    penalty = sparsity.KLSparsity(1, 0.9, reverse=reverse)
    codes = np.full((3, 2), constant, "float32")
    assert np.isfinite(value(penalty(codes)))
    assert np.isfinite(gradient(penalty, codes)).all()


# What is refused


@pytest.mark.parametrize("probability", [0, 1, 1.5, -0.1, float("nan"), "0.9", True, None])
def test_a_zero_probability_outside_the_open_interval_is_refused(probability):
    with pytest.raises(ValueError, match=r"zero_probability must be in \(0, 1\); received"):
        sparsity.KLSparsity(1, probability)


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "1", None, True])
@pytest.mark.parametrize("make", [sparsity.L1Sparsity, lambda weight: sparsity.KLSparsity(weight, 0.9)])
def test_a_weight_that_is_negative_or_no_number_is_refused(make, weight):
    with pytest.raises(ValueError, match="weight must be a number, zero or positive; received"):
        make(weight)


@pytest.mark.backend
@pytest.mark.parametrize("wrong", [-0.25, 1.5, float("nan")])
def test_kl_refuses_codes_outside_the_unit_interval_with_the_values(wrong):
    codes = codes_like(4, 3)
    codes[1, 2] = wrong
    with pytest.raises(ValueError, match=rf"codes must lie in \[0, 1\].*received values from .*{wrong}"):
        PENALTIES["kl"](codes)


@pytest.mark.backend
def test_fit_refuses_a_kl_penalty_on_codes_that_are_not_bounded():
    model = autoencoder(PENALTIES["kl"], activation=None)
    with pytest.raises(ValueError, match=r"codes must lie in \[0, 1\]"):
        training.fit(model, codes_like(8, 3, 3, 1), epochs=1, verbose=False)


@pytest.mark.backend
def test_codes_that_leave_the_unit_interval_in_a_compiled_step_make_the_loss_nan():
    model = autoencoder(PENALTIES["kl"], activation=None)
    model.compile("sgd", "mse", jit_compile="auto")
    images = codes_like(8, 3, 3, 1)
    try:
        loss = model.train_on_batch(images, images)
    except ValueError as error:  # PyTorch does not compile: it can say so at once
        assert "codes must lie in [0, 1]" in str(error)
    else:
        assert np.isnan(loss)


def test_a_penalty_that_is_no_regularizer_is_refused():
    with pytest.raises(TypeError, match=r"regularizer must be a Keras regularizer, such as L1Sparsity; received 0.1"):
        sparsity.SparsityPenalty(0.1)


# In training


@pytest.mark.backend
@each_penalty
def test_the_training_log_tells_error_and_penalty_apart(kind):
    images = codes_like(20, 3, 3, 1)
    model = autoencoder(PENALTIES[kind])
    history = training.fit(model, images, epochs=1, batch_size=20, learning_rate=1e-9, verbose=False)
    assert history.mse[0] == pytest.approx(np.mean((model.reconstruct(images) - images) ** 2), rel=1e-4)
    assert history.penalty[0] == pytest.approx(by_numpy(kind, model.encode(images)), rel=1e-4)


@pytest.mark.backend
def test_l1_makes_codes_with_exact_zeros_and_no_penalty_makes_none():
    images = np.random.default_rng(0).random((200, 3, 3, 1), dtype="float32")
    shares = {}
    for weight in (0, 0.03):
        model = autoencoder(sparsity.L1Sparsity(weight), activation="relu")
        training.fit(model, images, epochs=20, batch_size=20, learning_rate=0.01, verbose=False)
        shares[weight] = np.mean(model.encode(images) != 0)
    assert shares[0.03] < 0.5 * shares[0]


# TopK, Dictionary, UnrolledEncoder


def keep_largest(codes, k):
    kept = np.zeros_like(codes)
    for row, out in zip(codes, kept, strict=True):
        largest = np.argsort(-abs(row), kind="stable")[:k]
        out[largest] = row[largest]
    return kept


@pytest.mark.backend
def test_topk_keeps_the_entries_largest_in_size_and_nothing_else():
    codes = np.random.default_rng(0).normal(size=(5, 9)).astype("float32")
    kept = ops.convert_to_numpy(sparsity.TopK(3)(codes))
    np.testing.assert_array_equal(kept, keep_largest(codes, 3))


@pytest.mark.backend
def test_topk_keeps_exactly_k_of_equal_entries():
    codes = np.array([[1, -1, 1, 1], [0, 0, 0, 0]], "float32")
    np.testing.assert_array_equal(np.count_nonzero(ops.convert_to_numpy(sparsity.TopK(2)(codes)), axis=1), [2, 0])


@pytest.mark.backend
def test_topk_passes_the_gradient_through_what_it_keeps_and_nothing_else():
    codes = np.random.default_rng(1).normal(size=(4, 6)).astype("float32")
    weights = np.random.default_rng(2).normal(size=(4, 6)).astype("float32")
    layer = sparsity.TopK(2)
    found = gradient(lambda codes: ops.sum(ops.multiply(layer(codes), weights)), codes)
    np.testing.assert_allclose(found, weights * (keep_largest(codes, 2) != 0), atol=1e-6)


@pytest.mark.parametrize("k", [0, -1, 2.5, "3", True])
def test_a_k_that_is_no_positive_integer_is_refused(k):
    with pytest.raises(ValueError, match="k must be a positive integer; received"):
        sparsity.TopK(k)


def test_a_k_larger_than_the_code_is_refused():
    with pytest.raises(ValueError, match="k must be at most the number of units, 4; received 5"):
        sparsity.TopK(5)(np.zeros((2, 4), "float32"))
    with pytest.raises(ValueError, match="k must be at most the number of units, 4; received 5"):
        sparsity.UnrolledEncoder(sparsity.Dictionary(9), 4, 5)


def test_unrolled_encoder_refuses_what_does_not_fit_its_dictionary():
    with pytest.raises(TypeError, match=r"dictionary must be an aelib.sparsity.Dictionary; received"):
        sparsity.UnrolledEncoder(layers.Dense(9), 4, 2)
    with pytest.raises(ValueError, match="x must have 9 entries; received 8"):
        sparsity.UnrolledEncoder(sparsity.Dictionary(9), 4, 2)(np.zeros((2, 8), "float32"))


@pytest.mark.backend
def test_unrolled_encoder_computes_what_numpy_computes():
    keras.utils.set_random_seed(0)
    dictionary = sparsity.Dictionary(9)
    encoder = sparsity.UnrolledEncoder(dictionary, 12, 3, steps=2)
    x = np.random.default_rng(0).normal(size=(6, 9)).astype("float32")
    found = ops.convert_to_numpy(encoder(x))
    D, W = ops.convert_to_numpy(dictionary.rows()), ops.convert_to_numpy(encoder.kernel)
    np.testing.assert_allclose(np.linalg.norm(D, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(W, D.T, atol=1e-6)
    codes = keep_largest(x @ W, 3)
    for _ in range(2):
        codes = keep_largest(codes + 0.5 * (x - codes @ D) @ D.T, 3)
    np.testing.assert_allclose(found, codes, atol=1e-5)


def unrolled_autoencoder():
    keras.utils.set_random_seed(1)
    dictionary = sparsity.Dictionary(9)
    shape = (3, 3, 1)
    encoder = keras.Sequential(
        [layers.Input(shape), layers.Flatten(), sparsity.UnrolledEncoder(dictionary, 12, 3, steps=2)]
    )
    decoder = keras.Sequential([layers.Input((12,)), dictionary, layers.Reshape(shape)])
    model = models.Autoencoder(encoder, decoder)
    model.build((None, *shape))
    return model


@pytest.mark.backend
def test_unrolled_encoder_and_decoder_train_one_dictionary():
    model = unrolled_autoencoder()
    assert len(model.trainable_variables) == 3  # D, W and the step sizes
    images = np.random.default_rng(0).normal(size=(60, 3, 3, 1)).astype("float32")
    history = training.fit(model, images, epochs=8, batch_size=20, learning_rate=0.02, verbose=False)
    assert history.mse[-1] < history.mse[0]
    assert np.all(np.count_nonzero(model.encode(images), axis=1) <= 3)


# Files


READ = """
import json, sys
import keras, numpy as np
import aelib.models, aelib.sparsity
model = keras.saving.load_model(sys.argv[1])
images = np.load(sys.argv[2])
np.savez(sys.argv[3], codes=model.encode(images), images=model.reconstruct(images))
penalty = model.penalty and model.penalty.regularizer.get_config()
print(json.dumps({"penalty": penalty, "variables": len(model.trainable_variables)}))
"""


@pytest.mark.backend
@pytest.mark.parametrize("kind", ["l1", "reverse", "unrolled"])
def test_a_model_read_by_a_new_process_keeps_every_number(kind, tmp_path):
    odd = {"l1": sparsity.L1Sparsity(0.1 + 0.2), "reverse": sparsity.KLSparsity(1 / 3, 0.7, reverse=True)}
    model = unrolled_autoencoder() if kind == "unrolled" else autoencoder(odd[kind])
    images = codes_like(10, 3, 3, 1)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images)
    paths = [str(tmp_path / name) for name in ("model.keras", "images.npy", "seen.npz")]
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    reader = subprocess.run([sys.executable, "-c", READ, *paths], capture_output=True, text=True, env=environment)
    assert reader.returncode == 0, reader.stderr
    seen = json.loads(reader.stdout.splitlines()[-1])
    assert seen == {
        "penalty": odd[kind].get_config() if kind in odd else None,
        "variables": len(model.trainable_variables),
    }
    with np.load(paths[2]) as arrays:
        np.testing.assert_array_equal(arrays["codes"], model.encode(images))
        np.testing.assert_array_equal(arrays["images"], model.reconstruct(images))


def test_topk_survives_its_configuration():
    layer = sparsity.TopK.from_config(sparsity.TopK(7).get_config())
    assert layer.k == 7
