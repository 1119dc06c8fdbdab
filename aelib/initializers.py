"""Initialization that looks at the data: a function, since a Keras `Initializer` sees none."""

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
    """Initialize a chain of dense sigmoid layers so that every unit works around the middle of its slope.

    Layer by layer: draw Glorot-uniform weights, scale them so that the pre-activations, less each unit's mean, have the
    given standard deviation over `images`, and set the bias to minus that mean. To the bias of the last layer comes the
    logit of each pixel's mean, so that the network's output is near the mean image at first.

    Data-dependent initialization is Salimans and Kingma 2016 (arXiv:1602.07868) and Krähenbühl et al. 2016
    (arXiv:1511.06856); LSUV, Mishkin and Matas 2016 (arXiv:1511.06422), scales layer by layer too, without the bias.
    Here the bias removes the mean of about 1/2 that every sigmoid passes on.

    Args:
        model: an `Autoencoder` or another chain of layers, its dense layers with biases; other layers are left as
            they are. It is built if it is not yet.
        images: (n, height, width, channels) in [0, 1]; 2,000 are plenty.
        stddev: standard deviation of the pre-activations of every layer but the last, above 0.
        output_stddev: that of the last layer, above 0.
        seed: integer; the draw is NumPy's, so every backend begins with the same numbers.

    Returns:
        The model, whose weights were changed.

    Raises:
        ValueError: for a model without dense layers, one that is no chain, images that do not vary, or arguments out of
            range. The weights are then what they were.
    """
    images = _validation.images(images)
    stddev = _validation.number(stddev, "stddev", bounds="(]")
    output_stddev = _validation.number(output_stddev, "output_stddev", bounds="(]")
    random = np.random.default_rng(_validation.seed(seed))
    dense = _dense_layers(model, images[:2])
    pixel_mean = np.clip(images.reshape(len(images), -1).mean(0), 0.001, 0.999)
    before = model.get_weights()
    values = ops.convert_to_tensor(images)
    for layer in chain(model):
        if layer in dense:
            is_last = layer is dense[-1]
            kernel = _glorot_uniform(random, layer)
            drive = ops.convert_to_numpy(values) @ kernel
            spread = (drive - drive.mean(0)).std()
            if not spread > 1e-6 * np.abs(drive).max():
                model.set_weights(before)
                raise ValueError(f"images must vary; received a standard deviation of {spread} at {layer.name!r}")
            scale = (output_stddev if is_last else stddev) / spread
            bias = -scale * drive.mean(0)
            if is_last:
                bias = bias + np.log(pixel_mean / (1 - pixel_mean))
            layer.set_weights([scale * kernel, bias])
        values = layer(values)
    return model


def _dense_layers(model, images):
    """Return the dense layers of a model, built, after a check that its layers are called one after another."""
    expected = model(images)
    found = [layer for layer in chain(model) if isinstance(layer, layers.Dense)]
    if not found:
        raise ValueError(f"model must have dense layers; {model.name!r} has none")
    if without := [layer.name for layer in found if not layer.use_bias]:
        raise ValueError(f"model must have dense layers with biases; {without[0]!r} has none")
    values = ops.convert_to_tensor(images)
    try:
        for layer in chain(model):
            values = layer(values)
        same = np.allclose(ops.convert_to_numpy(values), ops.convert_to_numpy(expected), atol=1e-5)
    except (ValueError, TypeError):
        same = False
    if not same or int(np.prod(images.shape[1:])) != found[-1].units:
        raise ValueError(f"model must be a chain of layers from images to images; {model.name!r} is not")
    return found


def _glorot_uniform(random, layer):
    fan_in, fan_out = layer.kernel.shape
    limit = math.sqrt(6 / (fan_in + fan_out))
    return random.uniform(-limit, limit, (fan_in, fan_out)).astype("float32")
