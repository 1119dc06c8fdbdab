"""aelib.layers.RateBottleneck: bits against SciPy, noise in training, rounding in use, the loss, and files."""

import keras
import numpy as np
import pytest
from helpers import autoencoder, images_like, refusal, value
from keras import ops
from scipy.stats import logistic

from aelib import models, training
from aelib.layers import RateBottleneck

to_numpy = ops.convert_to_numpy


def codes_of_any_size(count=40, dimensions=3, seed=0):
    return np.random.default_rng(seed).normal(0, 2, (count, dimensions)).astype("float32")


def bottleneck(weight=0.1, dimensions=3, **kwargs):
    """Return a built layer whose density is not that of its initialization."""
    layer = RateBottleneck(weight, seed=1, **kwargs)
    layer.build((None, dimensions))
    random = np.random.default_rng(2)
    layer.set_weights([random.normal(0, 0.7, w.shape) for w in layer.get_weights()])
    return layer


def probability(layer, integers):
    """Return the probability of integers (n, dimensions) under the layer's mixture, from SciPy's distribution."""
    logits, means, scales = (to_numpy(w).astype("float64") for w in (layer.logits, layer.means, layer.log_scales))
    shares, scales = np.exp(logits) / np.exp(logits).sum(axis=0), np.exp(scales)
    upper, lower = (logistic.cdf(integers[:, None] + half, means, scales) for half in (0.5, -0.5))
    return (shares * (upper - lower)).sum(axis=1)


@pytest.mark.backend
def test_bits_are_those_of_a_mixture_of_logistic_distributions():
    codes, layer = codes_of_any_size(), bottleneck(scale=2.0)
    expected = -np.log2(probability(layer, np.rint(2 * codes).astype("float64"))).sum(axis=1)
    np.testing.assert_allclose(layer.bits(codes), expected, rtol=1e-4)


@pytest.mark.backend
def test_probabilities_are_those_of_the_integers_and_nearly_add_up_to_one():
    layer = bottleneck()
    integers = np.repeat(np.arange(-60, 61, dtype="float64")[:, None], 3, axis=1)
    found = layer.probabilities(-60, 60)
    assert found.shape == (3, 121)
    np.testing.assert_allclose(found, probability(layer, integers).T, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_a_code_far_outside_of_the_density_takes_a_finite_number_of_bits():
    assert bottleneck().bits(np.full((1, 3), 1e6)) == pytest.approx([3 * 9 * np.log2(10)], rel=1e-4)


@pytest.mark.backend
def test_codes_are_rounded_in_use_and_get_uniform_noise_in_training():
    codes, layer = codes_of_any_size(2000), bottleneck(scale=2.0)
    np.testing.assert_array_equal(to_numpy(layer(codes, training=False)), np.rint(2 * codes))
    np.testing.assert_array_equal(layer.symbols(codes), np.rint(2 * codes))
    assert np.issubdtype(layer.symbols(codes).dtype, np.integer)
    noise = to_numpy(layer(codes, training=True)) - 2 * codes
    assert abs(noise).max() < 0.5 + 1e-4
    assert noise.mean() == pytest.approx(0, abs=0.02) and noise.var() == pytest.approx(1 / 12, rel=0.05)
    assert np.any(noise != to_numpy(layer(codes, training=True)) - 2 * codes), "the same noise twice"


@pytest.mark.backend
def test_the_loss_is_the_weight_times_the_mean_bits():
    codes, layer = codes_of_any_size(), bottleneck(0.25)
    layer(codes, training=False)
    assert [value(loss) for loss in layer.losses] == pytest.approx([0.25 * layer.bits(codes).mean()], rel=1e-5)
    layer(codes, training=True)
    assert [value(loss) for loss in layer.losses] != pytest.approx([0.25 * layer.bits(codes).mean()], rel=1e-5)


@pytest.mark.backend
def test_training_teaches_the_encoder_and_the_density_and_a_larger_weight_costs_fewer_bits():
    images, bits = images_like(count=200), {}
    for weight in (0.0, 0.02):
        keras.utils.set_random_seed(0)
        model = autoencoder(penalty=RateBottleneck(weight, seed=0), latent_activation=None)
        model.build(images.shape)
        encoder, density = model.encoder.get_weights(), model.penalty.get_weights()
        training.fit(model, images, epochs=10, batch_size=20, learning_rate=0.01, seed=0, verbose=0)
        bits[weight] = model.penalty.bits(model.encode(images)).mean()
        assert all(np.any(old != new) for old, new in zip(encoder, model.encoder.get_weights(), strict=True))
        learned = [np.any(old != new) for old, new in zip(density, model.penalty.get_weights(), strict=True)]
        assert learned == [weight > 0] * 3, "the density learns from the bits in the loss, and from nothing else"
    assert bits[0.02] < 0.8 * bits[0.0]


@pytest.mark.backend
def test_an_autoencoder_rounds_its_codes_and_survives_its_file(tmp_path):
    images = images_like()
    model = autoencoder(penalty=RateBottleneck(0.1, seed=0), latent_activation=None)
    model.build(images.shape)
    symbols = model.penalty.symbols(model.encode(images))
    np.testing.assert_allclose(model.reconstruct(images), model.decode(symbols), atol=1e-6)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again, models.Autoencoder) and again.penalty.get_config() == model.penalty.get_config()
    np.testing.assert_array_equal(again.reconstruct(images), model.reconstruct(images))
    np.testing.assert_array_equal(again.penalty.bits(again.encode(images)), model.penalty.bits(model.encode(images)))


def test_building_an_autoencoder_builds_its_bottleneck_without_a_warning(recwarn):
    model = autoencoder(penalty=RateBottleneck(0.1))
    model.build((None, 8, 8, 1))
    assert model.penalty.built and not [w for w in recwarn if "build" in str(w.message)]


@pytest.mark.parametrize(
    ("named", "wrong"), [("weight", -1), ("weight", "a"), ("scale", 0), ("components", 0), ("seed", -1)]
)
def test_arguments_out_of_range_are_refused(named, wrong):
    arguments = {"weight": 0.1, named: wrong}
    message = refusal(lambda: RateBottleneck(**arguments))
    assert message.startswith(f"{named} must be ") and repr(wrong) in message


def test_codes_that_are_not_numbers_are_refused():
    for wrong in (np.full((2, 3), np.nan), np.array([["a", "b", "c"]])):
        assert refusal(lambda codes=wrong: bottleneck().symbols(codes)).startswith("codes must ")
