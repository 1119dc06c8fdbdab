"""Look inside a network through Keras's public attributes."""

import math

import keras
from keras import layers

_RANGES = {"sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, math.inf)}


def chain(model: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return the layers of a model in order, those of nested models in their place, a penalty left out."""
    if hasattr(model, "encoder") and hasattr(model, "decoder"):
        parts = [model.encoder, model.decoder]
    else:
        parts = getattr(model, "layers", None)
    return [model] if parts is None else [layer for part in parts for layer in chain(part)]


def input_shape(model: keras.layers.Layer) -> tuple | None:
    """Return the shape of a model's input, None for an axis of any length; None where there is not one known shape."""
    try:
        shape = getattr(model, "encoder", model).input_shape
    except (AttributeError, ValueError):  # of a layer that is not built, or was not called on symbolic tensors
        return None
    return shape if isinstance(shape, tuple) and all(isinstance(n, int | None) for n in shape) else None


def output_shape(model: keras.layers.Layer, x) -> tuple:
    """Return the shape of the one output of a model for inputs like x, and build the model if it is not built.

    Raises:
        ValueError: for a model with several outputs.
    """
    if not model.built:
        model(x[:1])
    output = model.compute_output_spec(keras.KerasTensor(x.shape))
    if not hasattr(output, "shape"):
        raise ValueError(f"model must have one output; {model.name!r} has {len(output)}")
    return tuple(output.shape)


def output_range(model: keras.layers.Layer) -> tuple[float, float]:
    """Return the range of a model's output that its last activation allows, infinite where that is not known."""
    for layer in reversed(chain(model)):
        if not isinstance(layer, layers.Reshape | layers.Flatten):
            name = getattr(getattr(layer, "activation", None), "__name__", "")
            return _RANGES.get(name, (-math.inf, math.inf))
    return (-math.inf, math.inf)
