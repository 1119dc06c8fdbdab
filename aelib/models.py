"""Encoders, decoders, and the `Autoencoder` that joins them; images are (n, height, width, channels) in [0, 1].

The builders raise a ValueError that names the argument if a shape or width does not consist of positive integers.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import keras
from keras import layers

# Imported so that Keras knows the penalties and the optimizer that a saved model may contain.
import aelib.regularizers
import aelib.training  # noqa: F401
from aelib import _validation
from aelib._autoencoder import Autoencoder, AuxKAutoencoder  # noqa: F401
from aelib.layers import DepthToSpace

Initializer: TypeAlias = str | dict | keras.initializers.Initializer


def mlp_encoder(
    image_shape: Sequence[int],
    latent_dim: int,
    hidden: Sequence[int] = (512, 128, 32),
    activation: str | None = "sigmoid",
    latent_activation: str | None = "sigmoid",
    kernel_initializer: Initializer = "glorot_uniform",
) -> keras.Sequential:
    """Build dense layers from images to codes (n, latent_dim).

    Args:
        image_shape: (height, width, channels) of one image.
        latent_dim: dimensions of the code.
        hidden: widths of the layers between image and code; may be empty.
        activation: of the hidden layers.
        latent_activation: of the code; "sigmoid" keeps it in (0, 1), None leaves it unbounded.
        kernel_initializer: of every layer's weights. To compensate for the slope of a sigmoid, at most 1/4, pass
            `keras.initializers.VarianceScaling(scale=16, mode="fan_avg", distribution="uniform")`: Glorot times 4.
    """
    latent_dim = _validation.integer(latent_dim, "latent_dim")
    return keras.Sequential(
        [
            layers.Input(_validation.image_shape(image_shape)),
            layers.Flatten(),
            *[_dense(width, activation, kernel_initializer) for width in _validation.integers(hidden, "hidden")],
            _dense(latent_dim, latent_activation, kernel_initializer, name="code"),
        ],
        name="encoder",
    )


def mlp_decoder(
    image_shape: Sequence[int],
    latent_dim: int,
    hidden: Sequence[int] = (32, 128, 512),
    activation: str | None = "sigmoid",
    output_activation: str | None = "sigmoid",
    kernel_initializer: Initializer = "glorot_uniform",
) -> keras.Sequential:
    """Build dense layers from codes (n, latent_dim) to images: the mirror of `mlp_encoder`.

    Args:
        image_shape: (height, width, channels) of one image.
        latent_dim: dimensions of the code.
        hidden: widths of the layers between code and image; may be empty.
        activation: of the hidden layers.
        output_activation: of the pixels; "sigmoid" keeps them in (0, 1).
        kernel_initializer: of every layer's weights.
    """
    image_shape = _validation.image_shape(image_shape)
    return keras.Sequential(
        [
            layers.Input((_validation.integer(latent_dim, "latent_dim"),)),
            *[_dense(width, activation, kernel_initializer) for width in _validation.integers(hidden, "hidden")],
            _dense(math.prod(image_shape), output_activation, kernel_initializer, name="pixels"),
            layers.Reshape(image_shape),
        ],
        name="decoder",
    )


def conv_encoder(
    image_shape: Sequence[int],
    latent_channels: int,
    filters: Sequence[int] = (32, 64),
    activation: str | None = "relu",
    latent_activation: str | None = None,
) -> keras.Sequential:
    """Build strided 3x3 convolutions; each entry of `filters` halves height and width.

    The code is a grid, a tensor (n, height / 2^k, width / 2^k, latent_channels) for k filters.

    Args:
        image_shape: (height, width, channels); height and width must be divisible by 2^k.
        latent_channels: dimensions of the code at each position.
        filters: channels after each halving.
        activation: of the convolutions, applied after batch normalization.
        latent_activation: of the code.
    """
    image_shape, filters = _halvable(image_shape, filters)
    encoder = keras.Sequential([layers.Input(image_shape)], name="encoder")
    for count in filters:
        # BatchNormalization has an offset of its own, so the convolution needs no bias.
        encoder.add(layers.Conv2D(count, 3, strides=2, padding="same", use_bias=False))
        encoder.add(layers.BatchNormalization(momentum=0.9))
        encoder.add(layers.Activation(activation))
    channels = _validation.integer(latent_channels, "latent_channels")
    encoder.add(layers.Conv2D(channels, 1, activation=latent_activation, name="code"))
    return encoder


def conv_decoder(
    image_shape: Sequence[int],
    latent_channels: int,
    filters: Sequence[int] = (64, 32),
    activation: str | None = "relu",
    output_activation: str | None = "sigmoid",
) -> keras.Sequential:
    """Build 3x3 convolutions from a grid of codes to images; each entry of `filters` doubles height and width.

    They double by depth to space (Shi et al. 2016, arXiv:1609.05158), which costs the same on every Keras backend;
    transposed convolutions are several times slower on some, and CPUs are slow at convolving large images to few
    channels.

    Args:
        image_shape: (height, width, channels) of one output image.
        latent_channels: dimensions of the code at each position.
        filters: channels before each doubling.
        activation: of the convolutions, applied after batch normalization.
        output_activation: of the pixels; "sigmoid" keeps them in (0, 1).
    """
    (height, width, channels), filters = _halvable(image_shape, filters)
    shrink = 2 ** len(filters)
    grid = (height // shrink, width // shrink, _validation.integer(latent_channels, "latent_channels"))
    decoder = keras.Sequential([layers.Input(grid)], name="decoder")
    for index, count in enumerate([*filters, channels]):
        last = index == len(filters)
        decoder.add(layers.Conv2D(4 * count if index else count, 3, padding="same", use_bias=last))
        if index:
            decoder.add(DepthToSpace())
        if not last:
            decoder.add(layers.BatchNormalization(momentum=0.9))
        decoder.add(layers.Activation(output_activation if last else activation))
    return decoder


def lecture_autoencoder(latent_dim: int = 2, kernel_initializer: Initializer = "glorot_uniform") -> Autoencoder:
    """Build the lecture's network for 28x28 digits: 784-512-128-32-2-32-128-512-784.

    A sigmoid follows every layer, code and pixels included; no dropout, no batch normalization.

    Args:
        latent_dim: dimensions of the code; the lecture uses 2.
        kernel_initializer: of every layer's weights.

    Returns:
        A built `Autoencoder` from (n, 28, 28, 1) to (n, 28, 28, 1).
    """
    shape = (28, 28, 1)
    encoder = mlp_encoder(shape, latent_dim, kernel_initializer=kernel_initializer)
    decoder = mlp_decoder(shape, latent_dim, kernel_initializer=kernel_initializer)
    autoencoder = Autoencoder(encoder, decoder, name="lecture_autoencoder")
    autoencoder.build((None, *shape))
    return autoencoder


def _dense(width, activation, kernel_initializer, name=None):
    # A copy of the initializer for each layer: a shared one without a seed would draw the same stream for all of them.
    if isinstance(kernel_initializer, keras.initializers.Initializer):
        kernel_initializer = type(kernel_initializer).from_config(kernel_initializer.get_config())
    return layers.Dense(width, activation, kernel_initializer=kernel_initializer, name=name)


def _halvable(shape, filters):
    (height, width, channels), filters = _validation.image_shape(shape), _validation.integers(filters, "filters")
    shrink = 2 ** len(filters)
    if height % shrink or width % shrink:
        reason = f"{shrink}, because each of the {len(filters)} filters halves them"
        raise ValueError(f"image_shape must have a height and width divisible by {reason}; received {tuple(shape)!r}")
    return (height, width, channels), filters
