"""A built network (and images) in; the same network with weights from which it trains well, out."""

import math

import numpy as np
from keras import layers, ops


def glorot_start(model, *, factor=1.0, seed=0):
    """Draws dense weights as Glorot and Bengio (2010) do, times a factor; biases become zero.

    Args:
        model: a built Keras model; only its `Dense` layers are changed, in order. The draw is NumPy's, so every
            backend starts from the same numbers.
        factor: positive; 1 is the Keras default, 4 makes up for the slope of a sigmoid, 1/4 at most.
        seed: integer.

    Returns:
        The model.

    Raises:
        ValueError: for a factor that is not positive, or a model without dense layers.
    """
    if not factor > 0:
        raise ValueError(f"factor must be positive; received {factor!r}")
    random = np.random.default_rng(seed)
    for layer in _dense_layers(model):
        weights = [factor * _glorot_draw(random, layer), np.zeros(layer.units, "float32")]
        layer.set_weights(weights[: len(layer.weights)])
    return model


def centred_start(model, images, *, seed=0, deviation=2.0, output_deviation=0.5):
    """A start for chains of sigmoids that looks at the data: every unit begins around the middle of its slope.

    Layer by layer: draw Glorot weights, scale them so that the pre-activations, less each unit's mean, have the given
    standard deviation over `images`, and set the bias to minus that mean. The last layer begins at the mean image: to
    its bias comes the logit of each pixel's mean. Mishkin and Matas (2016, arXiv:1511.06422) scale layer by layer
    too, but do not centre; the mean of 1/2 that a sigmoid passes on is what the bias removes here.

    Args:
        model: an `Autoencoder` of dense sigmoid layers with biases.
        images: (n, height, width, channels) in [0, 1]; 2,000 are plenty.
        seed: integer; the draw is NumPy's, so every backend starts from the same numbers.
        deviation: of the pre-activations of every layer but the last.
        output_deviation: of those of the last layer.

    Returns:
        The model.

    Raises:
        ValueError: for a model without dense layers, or images that do not vary.
    """
    random = np.random.default_rng(seed)
    dense = _dense_layers(model)
    pixel_mean = np.clip(np.reshape(images, (len(images), -1)).mean(0), 0.001, 0.999)
    values = ops.convert_to_tensor(images)
    for layer in _chain(model):
        if layer in dense:
            is_last = layer is dense[-1]
            kernel = _glorot_draw(random, layer)
            drive = ops.convert_to_numpy(values) @ kernel
            spread = (drive - drive.mean(0)).std()
            if not spread > 1e-6 * np.abs(drive).max():
                raise ValueError(f"images must vary and be finite; received a spread of {spread} at {layer.name!r}")
            scale = (output_deviation if is_last else deviation) / spread
            bias = -scale * drive.mean(0)
            if is_last:
                bias = bias + np.log(pixel_mean / (1 - pixel_mean))
            layer.set_weights([scale * kernel, bias])
        values = layer(values)
    return model


def _dense_layers(model):
    found = [layer for layer in _chain(model) if isinstance(layer, layers.Dense)]
    if not found:
        raise ValueError(f"model must have dense layers; {model.name!r} has none")
    return found


def _chain(model):
    parts = [model.encoder, model.decoder] if hasattr(model, "encoder") else getattr(model, "layers", None)
    return [model] if parts is None else [layer for part in parts for layer in _chain(part)]


def _glorot_draw(random, layer):
    fan_in, fan_out = layer.kernel.shape
    limit = math.sqrt(6 / (fan_in + fan_out))
    return random.uniform(-limit, limit, (fan_in, fan_out)).astype("float32")
