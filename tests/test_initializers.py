"""aelib.initializers: the statistics that it promises, by NumPy, and the models that it refuses."""

import math

import keras
import numpy as np
import pytest
from helpers import activations, autoencoder, blobs, dense_layers, images_like, refusal, weights_of
from keras import layers

from aelib import initializers, metrics, models

SHAPE = (8, 8, 1)


@pytest.mark.backend
@pytest.mark.parametrize(("stddev", "output_stddev"), [(2.0, 0.5), (1.0, 0.1)])
def test_every_unit_gets_mean_zero_and_every_layer_its_standard_deviation(stddev, output_stddev):
    images, model = blobs(200), autoencoder()
    given = {} if stddev == 2 else {"stddev": stddev, "output_stddev": output_stddev}
    assert initializers.data_dependent(model, images, **given) is model
    weights = weights_of(model)
    values = activations(weights, images)
    for index, (kernel, bias) in enumerate(weights[:-1]):
        drive = values[index] @ kernel + bias
        np.testing.assert_allclose(drive.mean(0), 0, atol=1e-4)
        assert drive.std() == pytest.approx(stddev, rel=1e-4)
    kernel, bias = weights[-1]
    drive, mean = values[-2] @ kernel + bias, np.clip(images.reshape(200, -1).astype("float64").mean(0), 0.001, 0.999)
    np.testing.assert_allclose(drive.mean(0), np.log(mean / (1 - mean)), atol=1e-4)
    assert (drive - drive.mean(0)).std() == pytest.approx(output_stddev, rel=1e-4)


@pytest.mark.backend
def test_the_weights_are_a_glorot_uniform_draw_of_numpy_that_was_scaled():
    model = initializers.data_dependent(autoencoder(), blobs(), seed=np.int64(3))
    random = np.random.default_rng(3)
    for layer in dense_layers(model):
        kernel = layer.get_weights()[0]
        limit = math.sqrt(6 / sum(kernel.shape))
        ratio = kernel / random.uniform(-limit, limit, kernel.shape)
        np.testing.assert_allclose(ratio, np.median(ratio), rtol=1e-3)


def test_the_output_is_near_the_mean_image_at_first():
    images = blobs(200)
    mean = np.broadcast_to(images.mean(0), images.shape)
    first = initializers.data_dependent(autoencoder(), images).reconstruct(images)
    plain = autoencoder(initializer="glorot_uniform").reconstruct(images)
    assert metrics.mse(mean, first) < 0.01 < 0.05 < metrics.mse(mean, plain)
    assert np.corrcoef(first.mean(0).ravel(), mean[0].ravel())[0, 1] > 0.99


def test_pixels_that_are_always_black_or_white_get_a_finite_bias():
    images = blobs(50)
    images[:, 0], images[:, 7] = 0, 1
    bias = dense_layers(initializers.data_dependent(autoencoder(), images))[-1].get_weights()[1]
    assert np.isfinite(bias).all()
    first = initializers.data_dependent(autoencoder(), images, output_stddev=1e-3).reconstruct(images)
    np.testing.assert_allclose(first[:, 0], 0.001, atol=1e-4)
    np.testing.assert_allclose(first[:, 7], 0.999, atol=1e-4)


def test_a_seed_repeats_the_draw_and_another_one_changes_it():
    first, again, default, other = (
        initializers.data_dependent(model=autoencoder(), images=blobs(), **given).get_weights()
        for given in ({"seed": 0}, {"seed": 0}, {}, {"seed": 1})
    )
    for a, b, c, d in zip(first, again, default, other, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
        assert not np.isclose(a, d).all()


def test_images_that_vary_little_are_taken():
    images = 1e-6 * images_like((17, 17, 1), count=50)
    model = initializers.data_dependent(autoencoder((17, 17, 1)), images)
    kernel, bias = weights_of(model)[0]
    assert (images.reshape(50, -1).astype("float64") @ kernel + bias).std() == pytest.approx(2, rel=1e-3)


@pytest.mark.parametrize("images", [np.full((9, *SHAPE), 0.5, "f4"), np.zeros((9, *SHAPE)), blobs(1)])
def test_images_that_do_not_vary_are_refused_and_the_weights_stay(images):
    model = autoencoder()
    model(images)
    before = model.get_weights()
    message = refusal(lambda: initializers.data_dependent(model, images))
    assert message.startswith("images must vary; received ") and message.endswith(repr(dense_layers(model)[0].name))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.full((9, *SHAPE), np.nan), "images must lie in [0, 1]; received values from nan"),
        (255 * blobs(), "images must lie in [0, 1]; received values from 0 to 255: divide by 255"),
        (blobs()[0], "images must have shape (n, height, width, channels); received (8, 8, 1): write images[None]"),
        (blobs(0), "images must not be empty; received shape (0, 8, 8, 1)"),
        ("mnist", "images must be real numbers; received "),
    ],
)
def test_images_of_another_form_are_refused(images, words):
    assert refusal(lambda: initializers.data_dependent(autoencoder(), images)).startswith(words)


@pytest.mark.parametrize(
    "wrong", [{"stddev": 0}, {"stddev": "2"}, {"output_stddev": -1}, {"output_stddev": math.inf}, {"seed": -1}]
)
def test_arguments_out_of_range_are_named_and_shown(wrong):
    (name, value), *_ = wrong.items()
    message = refusal(lambda: initializers.data_dependent(autoencoder(), blobs(), **wrong))
    assert message.startswith(f"{name} must be ") and message.endswith(f"received {value!r}")


def test_a_plain_or_nested_chain_of_layers_is_taken_built_or_not():
    images, flat = blobs(50), lambda: [layers.Flatten(), layers.Dense(16, "sigmoid")]
    end = lambda: [layers.Dense(64, "sigmoid"), layers.Reshape(SHAPE)]  # noqa: E731
    for chain in ([layers.Input(SHAPE), *flat(), *end()], [*flat(), *end()], [keras.Sequential(flat()), *end()]):
        model = initializers.data_dependent(keras.Sequential(chain), images)
        kernel, bias = model.get_weights()[:2]
        assert (images.reshape(50, -1) @ kernel + bias).std() == pytest.approx(2, rel=1e-4)


def test_other_layers_are_left_as_they_are():
    norm = layers.BatchNormalization()
    encoder = keras.Sequential([layers.Input(SHAPE), norm, *models.mlp_encoder(SHAPE, 3, (16,)).layers])
    model = models.Autoencoder(encoder, models.mlp_decoder(SHAPE, 3, (16,)))
    initializers.data_dependent(model, blobs())
    assert [array.item() for array in norm.get_weights()] == [1, 0, 0, 1]


def test_models_that_are_no_chain_of_dense_layers_with_biases_are_refused():
    convolutional = models.Autoencoder(models.conv_encoder(SHAPE, 2, (4,)), models.conv_decoder(SHAPE, 2, (4,)))
    message = refusal(lambda: initializers.data_dependent(convolutional, blobs()))
    assert message == f"model must have dense layers; {convolutional.name!r} has none"
    bare = [layers.Dense(64, use_bias=False, name=name) for name in ("bare", "bare_too")]
    without = keras.Sequential([layers.Flatten(), *bare, layers.Reshape(SHAPE)])
    message = refusal(lambda: initializers.data_dependent(without, blobs()))
    assert message == "model must have dense layers with biases; 'bare' has none"
    entrance = layers.Input(SHAPE)
    flat = layers.Flatten()(entrance)
    both = layers.Add()([layers.Dense(64, "sigmoid")(flat), layers.Dense(64, "sigmoid")(flat)])
    branched = keras.Model(entrance, layers.Reshape(SHAPE)(both), name="branched")
    expected = "model must be a chain of layers from images to images; {!r} is not"
    assert refusal(lambda: initializers.data_dependent(branched, blobs())) == expected.format("branched")
    for latent_dim in (3, 65):  # fewer numbers than pixels, and more
        encoder = models.mlp_encoder(SHAPE, latent_dim, ())
        message = refusal(lambda encoder=encoder: initializers.data_dependent(encoder, blobs()))
        assert message == expected.format(encoder.name)


def test_a_model_that_skips_a_layer_is_no_chain_though_its_layers_fit_one_another():
    class Skipping(models.Autoencoder):
        def call(self, images, training=None):
            return self.decoder.layers[-1](self.decoder.layers[-2](self.encoder.layers[0](images)))

    model = Skipping(models.mlp_encoder(SHAPE, 64, ()), models.mlp_decoder(SHAPE, 64, ()))
    assert "is not" in refusal(lambda: initializers.data_dependent(model, images_like()))


def test_a_chain_whose_model_differs_from_its_layers_by_rounding_is_taken():
    class Rounding(models.Autoencoder):
        def call(self, images, training=None):
            return super().call(images) + 2e-6

    model = Rounding(models.mlp_encoder(SHAPE, 3, ()), models.mlp_decoder(SHAPE, 3, ()))
    assert initializers.data_dependent(model, images_like()) is model
