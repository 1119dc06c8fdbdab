"""aelib.regularizers: values against NumPy, gradients against finite differences, batch sizes, precision."""

import keras
import numpy as np
import pytest
from helpers import autoencoder, codes_like, gradient, refusal, value
from keras import ops

from aelib import layers, regularizers, training

RHO = 0.9
PENALTIES = {
    "l1": regularizers.L1Sparsity(0.3),
    "kl": regularizers.KLSparsity(0.3, RHO),
    "reverse": regularizers.KLSparsity(0.3, RHO, reverse=True),
}
each_penalty = pytest.mark.parametrize("kind", PENALTIES)


def by_numpy(kind, codes):
    codes = codes.astype("float64").reshape(len(codes), -1)
    if kind == "l1":
        return 0.3 * np.abs(codes).sum(1).mean()
    q = codes.mean(0)
    if kind == "kl":
        return 0.3 * np.sum((1 - q) * np.log((1 - q) / RHO) + q * np.log(q / (1 - RHO)))
    return 0.3 * np.sum(RHO * np.log(RHO / (1 - q)) + (1 - RHO) * np.log((1 - RHO) / q))


def penalized(penalty, latent_activation="sigmoid"):
    parts = {"penalty": layers.SparsityPenalty(penalty), "latent_activation": latent_activation}
    model = autoencoder((3, 3, 1), (), 6, initializer=keras.initializers.GlorotUniform(seed=3), **parts)
    model.build((None, 3, 3, 1))
    return model


# Values and gradients


@pytest.mark.backend
@each_penalty
@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 2, 2)])
def test_penalty_is_what_numpy_computes(kind, shape):
    codes = codes_like(*shape)
    assert value(PENALTIES[kind](codes)) == pytest.approx(by_numpy(kind, codes), rel=1e-5)


@pytest.mark.backend
def test_l1_takes_the_absolute_value_of_negative_codes():
    codes = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    assert value(PENALTIES["l1"](codes)) == pytest.approx(by_numpy("l1", codes), rel=1e-5)


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
    ("rho", "reverse", "q", "cost"),
    [
        (0.9, False, 0.5, 0.511),
        (0.9, True, 0.5, 0.368),
        (0.9, False, 0.0, 0.105),
        (0.9, False, 0.1, 0.0),
        (0.9, True, 0.1, 0.0),
        (0.25, False, 0.5, 0.144),
        (0.25, True, 0.5, 0.131),
    ],
)
def test_kl_of_one_unit_costs_what_the_convention_of_the_lecture_says(rho, reverse, q, cost):
    penalty = regularizers.KLSparsity(1, rho, reverse=reverse)
    assert value(penalty(np.full((4, 1), q, "float32"))) == pytest.approx(cost, abs=6e-4)


def test_a_dead_unit_costs_little_in_the_direction_of_the_lecture_and_much_in_the_other():
    dead = np.zeros((4, 1), "float32")
    assert value(regularizers.KLSparsity(1, 0.9)(dead)) == pytest.approx(np.log(1 / 0.9), abs=1e-5)
    assert 1 < value(regularizers.KLSparsity(1, 0.9, reverse=True)(dead)) < 2


@each_penalty
def test_penalty_is_convex_along_a_segment(kind):
    ends = codes_like(8, 5, seed=1), codes_like(8, 5, seed=2)
    start, end = (value(PENALTIES[kind](codes)) for codes in ends)
    for share in np.linspace(0.1, 0.9, 9, dtype="float32"):
        between = value(PENALTIES[kind]((1 - share) * ends[0] + share * ends[1]))
        assert between <= (1 - share) * start + share * end + 1e-6


@pytest.mark.backend
def test_l0_counts_the_entries_of_a_sample_that_are_not_zero():
    codes = np.array([[0, 1.5, -2, 0], [0, 0, 1e-30, 0]], "float32")
    assert value(regularizers.l0(codes)) == 1.5
    assert value(regularizers.l0(codes.reshape(2, 2, 2, 1))) == 1.5


@pytest.mark.backend
def test_l0_has_a_gradient_of_zero_everywhere():
    codes = np.array([[0, 1.5, -2, 0], [0, 0, 1e-30, 0]], "float32")
    assert not gradient(regularizers.l0, codes).any()
    # The same function sees a gradient where there is one, so zeros are not its answer to everything.
    assert gradient(lambda codes: regularizers.l0(codes) + ops.sum(codes), codes).all()


# Batch size and precision


@pytest.mark.backend
@each_penalty
def test_penalty_does_not_depend_on_the_batch_size(kind):
    rows = codes_like(4, 7)
    strengths = [value(PENALTIES[kind](np.tile(rows, (copies, 1)))) for copies in (1, 8, 64)]
    assert max(strengths) - min(strengths) <= 1e-6 * max(strengths)


@pytest.mark.parametrize("penalty", [regularizers.l0, PENALTIES["l1"]])
def test_an_empty_batch_costs_nothing(penalty):
    assert value(penalty(ops.zeros((0, 3)))) == 0


@pytest.mark.backend
@pytest.mark.parametrize("batch_size", [4, 32, 256])
def test_l1_in_the_training_loss_does_not_depend_on_the_batch_size_nor_on_a_smaller_last_batch(batch_size):
    images = codes_like(70, 3, 3, 1)
    model = penalized(PENALTIES["l1"])
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
        model = penalized(PENALTIES[kind])
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


def test_l0_counts_more_entries_than_half_precision_can():
    assert value(regularizers.l0(ops.ones((1, 4097), "float16"))) == 4097


@pytest.mark.backend
@each_penalty
@pytest.mark.parametrize("policy", ["float64", "mixed_float16", "mixed_bfloat16"])
def test_penalty_trains_under_every_dtype_policy(kind, policy, set_dtype_policy):
    set_dtype_policy(policy)
    model = penalized(PENALTIES[kind])
    images = codes_like(20, 3, 3, 1)
    model(images)
    # As Keras's own losses, to which TensorFlow adds no penalty of another type.
    assert keras.backend.standardize_dtype(model.losses[0].dtype) == keras.config.floatx()
    history = training.fit(model, images, epochs=2, batch_size=5, verbose=0).history
    penalty = np.subtract(history["loss"], history["mse"])
    assert np.isfinite(penalty).all() and penalty[0] > 0


@pytest.mark.backend
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_kl_and_its_gradient_are_finite_for_units_that_are_always_off_or_always_on(reverse, constant):
    penalty = regularizers.KLSparsity(1, 0.9, reverse=reverse)
    codes = np.full((3, 2), constant, "float32")
    assert np.isfinite(value(penalty(codes)))
    assert np.isfinite(gradient(penalty, codes)).all()


# What is refused


@pytest.mark.parametrize("probability", [0, 1, 1.5, -0.1, float("nan"), "0.9", True, None])
def test_a_zero_probability_outside_the_open_interval_is_refused(probability):
    message = refusal(lambda: regularizers.KLSparsity(1, probability))
    assert message == f"zero_probability must be a number in (0, 1); received {probability!r}"


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "1", None, True])
@pytest.mark.parametrize("make", [regularizers.L1Sparsity, lambda weight: regularizers.KLSparsity(weight, 0.9)])
def test_a_weight_that_is_negative_or_no_number_is_refused(make, weight):
    assert refusal(lambda: make(weight)) == f"weight must be a finite number, 0 or more; received {weight!r}"


@pytest.mark.parametrize("weight", [0, np.float32(0.5), np.int64(2)])
def test_a_weight_may_be_zero_or_a_number_of_numpy(weight):
    config = regularizers.L1Sparsity(weight).get_config()
    assert config == {"weight": float(weight)} and type(config["weight"]) is float


@pytest.mark.backend
@pytest.mark.parametrize("wrong", [-0.25, 1.5, float("nan")])
def test_kl_refuses_codes_outside_the_unit_interval_with_the_values(wrong):
    codes = codes_like(4, 3)
    codes[1, 2] = wrong
    message = refusal(lambda: PENALTIES["kl"](codes))
    assert "codes must lie in [0, 1]" in message and str(wrong) in message.partition("received values from")[2]


@pytest.mark.backend
def test_fit_refuses_a_kl_penalty_on_codes_that_are_not_bounded():
    model = penalized(PENALTIES["kl"], latent_activation=None)
    with pytest.raises(ValueError, match=r"codes must lie in \[0, 1\]"):
        training.fit(model, codes_like(8, 3, 3, 1), epochs=1, verbose=0)


@pytest.mark.backend
@pytest.mark.parametrize("wrong", [-0.5, 1.5])
def test_codes_that_leave_the_unit_interval_in_a_compiled_step_make_the_loss_nan(wrong):
    model = keras.Sequential([keras.Input((3,)), layers.SparsityPenalty(PENALTIES["kl"])])
    model.compile(loss="mse", jit_compile="auto")
    codes = codes_like(8, 3)
    assert np.isfinite(model.test_on_batch(codes, codes))
    codes[2, 1] = wrong
    try:
        loss = model.test_on_batch(codes, codes)
    except ValueError as error:  # PyTorch does not compile: it can say so at once
        assert "codes must lie in [0, 1]" in str(error)
    else:
        assert np.isnan(loss)


# In training


@pytest.mark.backend
@each_penalty
def test_the_history_tells_error_and_penalty_apart(kind):
    images = codes_like(20, 3, 3, 1)
    model = penalized(PENALTIES[kind])
    history = training.fit(model, images, epochs=1, batch_size=20, learning_rate=1e-9, verbose=0).history
    assert history["mse"][0] == pytest.approx(np.mean((model.reconstruct(images) - images) ** 2), rel=1e-4)
    penalty = history["loss"][0] - history["mse"][0]
    assert penalty == pytest.approx(by_numpy(kind, model.encode(images)), rel=1e-4)


@pytest.mark.backend
def test_l1_makes_codes_with_exact_zeros_and_no_penalty_makes_none():
    images = np.random.default_rng(0).random((200, 3, 3, 1), dtype="float32")
    active = {}
    for weight in (0, 0.03):
        model = penalized(regularizers.L1Sparsity(weight), latent_activation="relu")
        training.fit(model, images, epochs=20, batch_size=20, learning_rate=0.01, verbose=0)
        active[weight] = np.mean(model.encode(images) != 0)
    assert active[0.03] < 0.5 * active[0]


@each_penalty
def test_a_penalty_survives_its_configuration(kind):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(PENALTIES[kind]))
    codes = codes_like(6, 5)
    assert type(again) is type(PENALTIES[kind]) and value(again(codes)) == value(PENALTIES[kind](codes))
