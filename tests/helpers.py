"""Shared by the tests of the teaching modules: random images, gradients on every backend, small models."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from aelib import models


def images_like(shape=(8, 8, 1), count=6, seed=0, low=0.0, high=1.0):
    """Return uniform random float32 images (count, *shape)."""
    return np.random.default_rng(seed).uniform(low, high, (count, *shape)).astype("float32")


def blobs(count=20, seed=0):
    """Return images (count, 8, 8, 1) with structure to learn: a bright spot at a random position, some noise."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:8, :8]
    center = random.uniform(2, 6, (2, count, 1, 1))
    spots = np.exp(-((rows - center[0]) ** 2 + (columns - center[1]) ** 2) / 6)[..., None]
    return np.clip(spots + random.normal(0, 0.02, spots.shape), 0, 1).astype("float32")


def codes_like(*shape, seed=0):
    """Return numbers in (0.02, 0.98), which every penalty accepts and none clips."""
    return images_like(shape[1:], shape[0], seed, 0.02, 0.98)


def keep_largest(codes, k):
    """Return codes with all but the k entries of each row that are largest in size at zero: what TopK must give."""
    kept = np.zeros_like(codes)
    for row, out in zip(codes, kept, strict=True):
        largest = np.argsort(-abs(row), kind="stable")[:k]
        out[largest] = row[largest]
    return kept


def depth_to_space(values):
    """Return (n, h, w, 4c) as (n, 2h, 2w, c), pixel by pixel: what the layer DepthToSpace must give."""
    n, height, width, channels = values.shape[0], 2 * values.shape[1], 2 * values.shape[2], values.shape[3] // 4
    out = np.empty((n, height, width, channels))
    for row in range(height):
        for column in range(width):
            first = channels * (2 * (row % 2) + column % 2)
            out[:, row, column] = values[:, row // 2, column // 2, first : first + channels]
    return out


def refusal(call, error=ValueError):
    """Return the message of the error that a call raises, which must be one line."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    return message


def value(tensor):
    return float(ops.convert_to_numpy(tensor))


def gradient(function, values):
    """Return the backend's gradient of a scalar function of one tensor, zero if the result does not depend on it."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        point = tf.Variable(values)
        with tf.GradientTape() as tape:
            result = function(tf.convert_to_tensor(point))
        return tape.gradient(result, point, unconnected_gradients=tf.UnconnectedGradients.ZERO).numpy()
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(function)(values))
    import torch

    point = torch.tensor(values, requires_grad=True)
    result = function(point)
    if result.requires_grad:
        result.backward()
    return np.zeros_like(values) if point.grad is None else point.grad.numpy()


def dense_layers(model):
    """Return the dense layers of an `Autoencoder` in order."""
    both = [*model.encoder.layers, *model.decoder.layers]
    return [layer for layer in both if isinstance(layer, layers.Dense)]


def steep(seed=0):
    """Return a Glorot uniform initializer times 4."""
    return keras.initializers.VarianceScaling(16, "fan_avg", "uniform", seed=seed)


def autoencoder(shape=(8, 8, 1), hidden=(16,), latent_dim=3, penalty=None, initializer=None, **kwargs):
    """Build a small dense `Autoencoder` of sigmoids, with the same weights every time; `kwargs` go to the encoder."""
    initializer = initializer or steep()
    encoder = models.mlp_encoder(shape, latent_dim, hidden, kernel_initializer=initializer, **kwargs)
    decoder = models.mlp_decoder(shape, latent_dim, hidden[::-1], kernel_initializer=initializer)
    return models.Autoencoder(encoder, decoder, penalty)


def weights_of(model):
    """Return [(kernel, bias), ...] of the dense layers in double precision."""
    return [tuple(np.array(array, "float64") for array in layer.get_weights()) for layer in dense_layers(model)]


def activations(weights, images):
    """Return the flattened images and the outputs of each layer of a chain of sigmoid layers, computed by NumPy."""
    values = [np.reshape(images, (len(images), -1)).astype("float64")]
    for kernel, bias in weights:
        values.append(1 / (1 + np.exp(-(values[-1] @ kernel + bias))))
    return values
