"""What `training.fit` takes as data on every backend, and what it refuses in one line instead of training on it."""

import math

import keras
import numpy as np
import pytest
from helpers import autoencoder, blobs, refusal
from keras import layers

from aelib import models, training

SHAPE = (8, 8, 1)
backend = pytest.mark.backend


def fit(x=None, y=None, model=None, **kwargs):
    model = model or autoencoder()
    x = blobs(9) if x is None else x
    return training.fit(model, x, y, **{"epochs": 1, "verbose": 0, "seed": 0, "learning_rate": 1e-9, **kwargs}).history


def linear():
    """Build a network whose output has no bounds."""
    encoder = models.mlp_encoder(SHAPE, 3, (), latent_activation=None)
    return models.Autoencoder(encoder, models.mlp_decoder(SHAPE, 3, (), output_activation=None))


# What is taken


@backend
def test_float64_integers_lists_and_tensors_reach_keras_as_float32(passed_on):
    images, model = blobs(9).round(), autoencoder()
    tensor = keras.ops.convert_to_tensor(images)
    for other in (images.astype("float64"), images.astype("uint8"), images > 0.5, list(images), tensor, list(tensor)):
        training.fit(model, other, epochs=1, validation_data=other)
        assert len(passed_on) == 4
        for array in passed_on:
            assert type(array) is np.ndarray and array.dtype == np.float32
            np.testing.assert_array_equal(array, images)


@backend
def test_targets_and_weights_of_the_validation_data_reach_keras(passed_on):
    images, targets, weights = blobs(9), blobs(9, seed=1), np.ones(9)
    training.fit(autoencoder(), images, targets, epochs=1, validation_data=(targets, images, weights))
    # Keras has a loss for each row of pixels, and compares it with the weights: (9,) would be one for each column.
    expected = [images, targets, targets, images, weights.reshape(9, 1, 1)]
    for found, array in zip(passed_on, expected, strict=True):
        np.testing.assert_array_equal(found, array)


@backend
@pytest.mark.only_on("torch")
def test_tensors_that_require_a_gradient_train_as_arrays_do():
    import torch

    tensor = torch.tensor(blobs(9), requires_grad=True)
    assert fit(tensor, tensor, validation_data=(tensor, tensor))["mse"] == fit()["mse"]
    assert tensor.grad is None


@backend
def test_a_model_that_is_not_built_is_built():
    def unbuilt():
        keras.utils.set_random_seed(0)
        flat = [layers.Flatten(), layers.Dense(3, "sigmoid")]
        return models.Autoencoder(keras.Sequential(flat), keras.Sequential([layers.Dense(64), layers.Reshape(SHAPE)]))

    model, built = unbuilt(), unbuilt()
    built(blobs(2))
    assert fit(model=model)["mse"] == pytest.approx(fit(model=built)["mse"])
    assert fit(blobs(4), model=model)["mse"][0] > 0, "a second fit, of another number of images"


@backend
def test_any_keras_model_with_one_output_is_trained():
    entrance = layers.Input(SHAPE)
    functional = keras.Model(entrance, layers.Reshape(SHAPE)(layers.Dense(64)(layers.Flatten()(entrance))))
    sequential = keras.Sequential([layers.Flatten(), layers.Dense(10, "softmax")])
    assert fit(model=functional)["mse"][0] > 0
    assert fit(blobs(9), np.eye(10)[:9], model=sequential)["mse"][0] > 0


@backend
def test_images_of_any_size_are_taken_by_a_model_without_a_size():
    model = keras.Sequential([layers.Input((None, None, 1)), layers.Conv2D(1, 3, padding="same")])
    assert fit(np.zeros((5, 6, 4, 1)), model=model)["mse"][0] >= 0
    message = refusal(lambda: fit(np.zeros((5, 6, 4, 3)), model=model))
    assert message == "x must have shape (n, None, None, 1), the model's input; received (5, 6, 4, 3)"


@backend
def test_centered_data_and_other_ranges_are_taken_where_the_output_reaches_them(passed_on):
    images = blobs(9)
    training.fit(linear(), images - images.mean(0), epochs=1, validation_data=255 * images)
    encoder = models.mlp_encoder(SHAPE, 3, ())
    for activation, others in (("tanh", 2 * images - 1), ("relu", 9 * images)):
        decoder = models.mlp_decoder(SHAPE, 3, (), output_activation=activation)
        training.fit(models.Autoencoder(encoder, decoder), others, epochs=1)
        np.testing.assert_array_equal(passed_on[1], others)
    # Degraded inputs may leave the range of the output; targets may not.
    training.fit(autoencoder(), 3 * images - 1, images, epochs=1, validation_data=(3 * images - 1, images))
    np.testing.assert_array_equal(passed_on[0], 3 * images - 1)


@pytest.mark.parametrize(("activation", "outside"), [("sigmoid", 1.1), ("tanh", -1.1), ("relu", -0.1)])
def test_the_range_of_the_last_activation_is_found_behind_a_reshape_and_in_a_nested_model(activation, outside):
    inner = keras.Sequential([layers.Dense(64), layers.Activation(activation)])
    model = keras.Sequential([layers.Flatten(), inner, layers.Reshape(SHAPE)])
    assert "must lie in" in refusal(lambda: fit(np.full((2, *SHAPE), outside), model=model))


# What is refused


@pytest.mark.parametrize(
    ("images", "targets"), [(blobs(9), blobs(8)), (blobs(9), np.zeros(9)), (blobs(9), np.zeros((9, 1, 1, 1)))]
)
def test_targets_that_the_loss_would_broadcast_are_refused(images, targets):
    message = refusal(lambda: fit(images, targets))
    expected = f" must have the shape of the output, (9, 8, 8, 1); received {targets.shape}"
    assert message == f"y{expected}"
    message = refusal(lambda: fit(validation_data=(images, targets)))
    assert message == f"the targets of validation_data{expected}"


def test_no_images_are_refused():
    assert refusal(lambda: fit(blobs(0))) == "x must not be empty; received shape (0, 8, 8, 1)"
    for empty in (blobs(0), (blobs(0), blobs(0)), []):
        message = refusal(lambda empty=empty: fit(validation_data=empty))
        assert message.startswith("validation_data must not be empty; received shape (0,")


def test_a_single_image_and_images_of_another_size_are_refused():
    expected = "{} must have shape (n, 8, 8, 1), the model's input; received {}"
    assert refusal(lambda: fit(blobs(1)[0])) == expected.format("x", (8, 8, 1))
    assert refusal(lambda: fit(np.zeros((9, 8, 8, 3)))) == expected.format("x", (9, 8, 8, 3))
    assert refusal(lambda: fit(validation_data=blobs(1)[0])) == expected.format("validation_data", (8, 8, 1))


def test_targets_that_the_output_cannot_reach_are_refused():
    images = blobs(9)
    message = refusal(lambda: fit(255 * images))
    assert message.startswith("x must lie in [0, 1]; received values from 0 to 255") and "divide by 255" in message
    assert refusal(lambda: fit(images, -images)).startswith("y must lie in [0, 1]; received values from -1")
    assert refusal(lambda: fit(validation_data=255 * images)).startswith("validation_data must lie in [0, 1]; ")
    message = refusal(lambda: fit(validation_data=(images, 255 * images)))
    assert message.startswith("the targets of validation_data must lie in [0, 1]; ")
    encoder = models.mlp_encoder(SHAPE, 3, ())
    relu = models.Autoencoder(encoder, models.mlp_decoder(SHAPE, 3, (), output_activation="relu"))
    assert "y must lie in [0, inf]" in refusal(lambda: fit(images, images - 1, model=relu))


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(wrong):
    images, model = blobs(9), linear()
    images[3, 2, 2] = wrong
    expected = " must be finite; received 1 values that are NaN or infinite"
    assert refusal(lambda: fit(images, model=model)) == refusal(lambda: fit(images, blobs(9), model=model))
    assert refusal(lambda: fit(images, model=model)) == f"x{expected}"
    assert refusal(lambda: fit(blobs(9), images, model=model)) == f"y{expected}"
    assert refusal(lambda: fit(validation_data=images, model=model)) == f"validation_data{expected}"


@backend
def test_a_model_with_several_outputs_is_refused():
    entrance = layers.Input(SHAPE)
    two = keras.Model(entrance, [layers.Flatten()(entrance), layers.Reshape((64,))(entrance)], name="two")
    assert refusal(lambda: fit(model=two)) == "model must have one output; 'two' has 2"
    named = keras.Model(entrance, {"a": layers.Flatten()(entrance), "b": layers.Reshape((64,))(entrance)}, name="named")
    assert refusal(lambda: fit(model=named)) == "model must have one output; 'named' has 2"


@pytest.mark.parametrize("wrong", [None, 3, object()])
def test_what_is_no_data_is_refused(wrong):
    assert refusal(lambda: training.fit(autoencoder(), wrong, epochs=1)).startswith("x must ")


@pytest.mark.parametrize("wrong", ["mnist", np.array(["a"]), [blobs(1), blobs(2)[:, :4]]])
def test_what_is_no_array_of_numbers_is_refused(wrong):
    assert refusal(lambda: fit(wrong)).startswith("x must be ")
    assert refusal(lambda: fit(blobs(9), wrong)).startswith("y must be ")
    assert refusal(lambda: fit(validation_data=wrong)).startswith("validation_data must be ")


@pytest.mark.parametrize("wrong", [(), (blobs(9),), (blobs(9), blobs(9), None, None), {"x": blobs(9)}])
def test_validation_data_of_another_form_is_refused(wrong):
    assert refusal(lambda: fit(validation_data=wrong)).startswith("validation_data must be ")


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"epochs": 2.5}, {"batch_size": 0}, {"batch_size": "7"}])
def test_epochs_and_batch_size_must_be_positive_integers(wrong):
    (name, value), *_ = wrong.items()
    assert refusal(lambda: fit(**wrong)) == f"{name} must be a positive integer; received {value!r}"


@pytest.mark.parametrize("wrong", [{"learning_rate": 0}, {"learning_rate": "x"}, {"weight_decay": -0.1}])
def test_rates_out_of_range_are_refused(wrong):
    (name, value), *_ = wrong.items()
    message = refusal(lambda: fit(**wrong))
    assert message.startswith(f"{name} must be ") and message.endswith(f"received {value!r}")


# Precision


@backend
@pytest.mark.parametrize("policy", ["float64", "mixed_float16", "mixed_bfloat16"])
def test_every_dtype_policy_trains_and_its_reconstructions_can_be_measured(policy, set_dtype_policy):
    from aelib import metrics

    set_dtype_policy(policy)
    model, images = autoencoder(), blobs()
    before = metrics.mse(images, model.reconstruct(images))
    training.fit(model, images, epochs=10, batch_size=5, learning_rate=0.02, verbose=0)
    assert metrics.mse(images, model.reconstruct(images)) < 0.9 * before
    assert np.isfinite(metrics.psnr(images, model(images)))
