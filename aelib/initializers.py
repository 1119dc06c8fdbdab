"""Data-dependent initialization: a function, because a Keras `Initializer` sees no data."""

import math
from typing import TypeVar

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import ArrayLike

from aelib import _validation
from aelib._deprecated import renamed_arguments
from aelib._network import chain

Model = TypeVar("Model", bound=keras.Model)


@renamed_arguments(deviation="stddev", output_deviation="output_stddev")
def data_dependent(
    model: Model, images: ArrayLike, *, stddev: float = 2.0, output_stddev: float = 0.5, seed: int = 0
) -> Model:
    """Initialize a chain of dense sigmoid layers so that the inputs of every sigmoid are centered where it is steepest.

    Layer by layer: draw Glorot-uniform weights, scale them so that the pre-activations, minus each unit's mean, have
    the given standard deviation over `images`, and set the bias to minus that mean. The bias of the last layer also
    gets the logit of each pixel's mean, so that the initial output of the network is near the mean image.

    Data-dependent initialization is from Salimans and Kingma 2016 (arXiv:1602.07868) and Krähenbühl et al. 2016
    (arXiv:1511.06856); LSUV, Mishkin and Matas 2016 (arXiv:1511.06422), also scales layer by layer, without the bias.
    Here the bias removes the mean of about 1/2 that the outputs of every sigmoid layer have.

    Args:
        model: an `Autoencoder` or another chain of layers, whose dense layers have biases; other layers are left
            unchanged. An unbuilt model is built.
        images: (n, height, width, channels) in [0, 1]; 2,000 are enough.
        stddev: standard deviation of the pre-activations of every layer but the last, above 0.
        output_stddev: the same for the last layer, above 0.
        seed: integer from 0 to 2**32 - 1; NumPy draws the weights, so they are the same on every backend.

    Returns:
        The model, whose weights were changed.

    Raises:
        ValueError: for a model without dense layers, one that is not a chain, images that do not vary, or arguments out
            of range. The weights are then unchanged.
    """
    images = _validation.images(images)
    stddev = _validation.number(stddev, "stddev", bounds="(]")
    output_stddev = _validation.number(output_stddev, "output_stddev", bounds="(]")
    random = np.random.default_rng(_validation.seed(seed))
    dense = _dense_layers(model, images[:2])
    pixel_mean = np.clip(images.reshape(len(images), -1).mean(0), 0.001, 0.999)
    original_weights = model.get_weights()
    values = ops.convert_to_tensor(images)
    for layer in chain(model):
        if layer in dense:
            is_last = layer is dense[-1]
            kernel = _glorot_uniform(random, layer)
            pre_activations = ops.convert_to_numpy(values) @ kernel
            spread = (pre_activations - pre_activations.mean(0)).std()
            if not spread > 1e-6 * np.abs(pre_activations).max():
                model.set_weights(original_weights)
                raise ValueError(f"images must vary; received a standard deviation of {spread} at {layer.name!r}")
            scale = (output_stddev if is_last else stddev) / spread
            bias = -scale * pre_activations.mean(0)
            if is_last:
                bias = bias + np.log(pixel_mean / (1 - pixel_mean))
            layer.set_weights([scale * kernel, bias])
        values = layer(values)
    return model


def _dense_layers(model, images):
    """Build a model, check that it is a chain of layers from images to images, and return its dense layers."""
    expected = model(images)
    dense = [layer for layer in chain(model) if isinstance(layer, layers.Dense)]
    if not dense:
        raise ValueError(f"model must have dense layers; {model.name!r} has none")
    if without := [layer.name for layer in dense if not layer.use_bias]:
        raise ValueError(f"model must have dense layers with biases; {without[0]!r} has none")
    values = ops.convert_to_tensor(images)
    try:
        for layer in chain(model):
            values = layer(values)
        same = np.allclose(ops.convert_to_numpy(values), ops.convert_to_numpy(expected), atol=1e-5)
    except (ValueError, TypeError):
        same = False
    if not same or int(np.prod(images.shape[1:])) != dense[-1].units:
        raise ValueError(f"model must be a chain of layers from images to images; {model.name!r} is not")
    return dense


def _glorot_uniform(random, layer):
    fan_in, fan_out = layer.kernel.shape
    limit = math.sqrt(6 / (fan_in + fan_out))
    return random.uniform(-limit, limit, (fan_in, fan_out)).astype("float32")
