"""Inspect a network through Keras's public attributes, check data against it, and apply it batch by batch."""

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from aelib import _validation

_RANGES = {"sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, math.inf)}


def chain(model: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return the layers of a model in order, with nested models flattened and the penalty left out."""
    if hasattr(model, "encoder") and hasattr(model, "decoder"):
        return [*chain(model.encoder), *chain(model.decoder)]
    if not hasattr(model, "layers"):
        return [model]
    return [layer for part in model.layers for layer in chain(part)]


def leaves(model: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return every layer of a model that contains no others, the penalty included, in no order to rely on."""
    return [leaf for part in model.layers for leaf in leaves(part)] if hasattr(model, "layers") else [model]


def check_pair(model: keras.Model, x: Any, y: Any, names: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets (x itself if y is None) as arrays that match a model; build an unbuilt model.

    Raises:
        ValueError: for shapes that do not match, which the loss would broadcast, targets outside the range of the
            output activation, or a model with several outputs.
    """
    x = _validation.numeric(x, names[0], finite=True)
    expected = _input_shape(model)
    # Without the first axis: a Sequential without an Input keeps the size of its first batch.
    sizes = zip((expected or ())[1:], x.shape[1:], strict=False)
    if expected and (len(expected) != x.ndim or any(size not in (None, n) for size, n in sizes)):
        wanted = ", ".join(map(str, ("n", *expected[1:])))
        raise ValueError(f"{names[0]} must have shape ({wanted}), the model's input; received {x.shape}")
    y, name = (x, names[0]) if y is None else (_validation.numeric(y, names[1], finite=True), names[1])
    wanted = (len(x), *_output_shape(model, x)[1:])
    if y.shape != wanted:
        raise ValueError(f"{name} must have the shape of the output, {wanted}; received {y.shape}")
    _validation.within(y, name, _output_range(model))
    return x, y


def check_weights(weights: Any, y: np.ndarray, name: str) -> np.ndarray:
    """Return sample weights with an axis of length 1 for every axis that the loss keeps, because Keras adds none."""
    weights = _validation.numeric(weights, name, finite=True)
    if weights.shape not in ((len(y),), y.shape[:-1]):
        raise ValueError(f"{name} must have shape ({len(y)},), one for each sample; received {weights.shape}")
    return weights.reshape(len(y), *weights.shape[1:] or [1] * (y.ndim - 2))


def check_validation_data(model: keras.Model, validation_data: Any) -> tuple:
    """Return arrays (inputs, targets) or (inputs, targets, sample weights) for Keras's `fit`; raise ValueError."""
    given = validation_data if isinstance(validation_data, tuple) else (validation_data, None)
    if len(given) not in (2, 3):
        raise ValueError(f"validation_data must be inputs, a pair or a dataset; received a tuple of {len(given)}")
    inputs, targets, *weights = given
    inputs, targets = check_pair(model, inputs, targets, ("validation_data", "the targets of validation_data"))
    name = "the weights of validation_data"
    return (inputs, targets, *(check_weights(weight, targets, name) for weight in weights if weight is not None))


def in_batches(layer: keras.layers.Layer, inputs: Any, batch_size: int) -> np.ndarray:
    """Return the outputs of a layer outside of training, (n, ...), computed batch by batch."""
    inputs, size = _validation.numeric(inputs, "x", allow_empty=True), _validation.integer(batch_size, "batch_size")
    count = len(inputs)
    # TensorFlow cannot batch-normalize an empty batch, so a blank image stands in for it.
    inputs = inputs if count else np.zeros((1, *inputs.shape[1:]), "float32")
    # Direct calls instead of `predict`: no compilation, and NumPy in and out on every backend.
    outputs = [layer(inputs[i : i + size], training=False) for i in range(0, len(inputs), size)]
    return np.concatenate([ops.convert_to_numpy(batch) for batch in outputs])[:count]


def _input_shape(model):
    try:
        shape = getattr(model, "encoder", model).input_shape
    except (AttributeError, ValueError):  # of a layer that is not built, or was not called on symbolic tensors
        return None
    return shape if isinstance(shape, tuple) and all(isinstance(n, int | None) for n in shape) else None


def _output_shape(model, x):
    if not model.built:
        model(x[:1])
    output = model.compute_output_spec(keras.KerasTensor(x.shape))
    if not hasattr(output, "shape"):
        raise ValueError(f"model must have one output; {model.name!r} has {len(output)}")
    return tuple(output.shape)


def _output_range(model):
    for layer in reversed(chain(model)):
        if not isinstance(layer, layers.Reshape | layers.Flatten):
            name = getattr(getattr(layer, "activation", None), "__name__", "")
            return _RANGES.get(name, (-math.inf, math.inf))
    return (-math.inf, math.inf)
