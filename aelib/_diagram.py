"""Draw the layers of an autoencoder as a diagram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from aelib._figure import COLORS, MAX_WIDTH, Picture, axes

if TYPE_CHECKING:
    import keras


def network_diagram(model: keras.Model, *, input_shape: Sequence[int] | None = None, alt: str) -> Picture:
    """Plot the encoder, the latent representation and the decoder of an autoencoder, each layer's output as a bar.

    The width of a bar grows with the logarithm of the number of values. A layer that changes no shape, such as batch
    normalization or an activation, has no bar of its own.

    Args:
        model: an `Autoencoder`; its encoder and decoder are chains of layers.
        input_shape: (height, width, channels) of an image, for a network that takes images of any size.
    """
    from aelib._network import chain  # imports Keras, which plots of numbers do without

    encoder, decoder = chain(model.encoder), chain(model.decoder)
    shape = tuple(input_shape or model.encoder.input_shape[1:])
    if None in shape:
        raise ValueError(f"input_shape must be given for a network that takes images of any size; received {shape}")
    bars, latent = [(shape, "input")], 0
    for index, layer in enumerate([*encoder, *decoder]):
        output = tuple(layer.compute_output_shape((1, *bars[-1][0]))[1:])
        if output != bars[-1][0]:
            bars.append((output, type(layer).__name__))
        latent = len(bars) - 1 if index < len(encoder) else latent
    widths = 0.3 + np.log2([math.prod(shape) for shape, _ in bars])
    figure, ax = axes(size=(MAX_WIDTH, 0.3 + 0.3 * len(bars)), alt=alt)
    for row, (shape, name) in enumerate(bars):
        color = COLORS[2 if row == latent else row > latent]
        ax.plot([-widths[row], widths[row]], [row, row], color=color, linewidth=4, solid_capstyle="butt")
        ax.text(1.1 * max(widths), row, f"{' × '.join(map(str, shape))}  {name}", va="center", fontsize=9)
    for first, last, name in ((0, latent, "encoder"), (latent, len(bars) - 1, "decoder")):
        part = widths[first : last + 1]
        color = COLORS[name == "decoder"]
        ax.fill_betweenx(range(first, last + 1), -part, part, color=color, alpha=0.3, linewidth=0)
        ax.text(-1.1 * max(widths), (first + last) / 2, name, ha="right", va="center", fontsize=9)
    ax.text(-1.1 * max(widths), latent, "latent\nrepresentation", ha="right", va="center", fontsize=9)
    ax.invert_yaxis()
    ax.set_axis_off()
    return figure
