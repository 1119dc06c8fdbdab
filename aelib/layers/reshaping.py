"""Layers that rearrange the entries of a tensor."""

from typing import Any

import keras
from keras import layers, ops

from aelib import _validation


@keras.saving.register_keras_serializable("aelib")
class DepthToSpace(layers.Layer):
    """Rearrange channels into blocks of pixels (Shi et al. 2016): (n, h, w, b * b * c) into (n, b * h, b * w, c).

    Args:
        block: b, height and width of a block in pixels. Height and width of the input need not be known in advance.

    Raises:
        ValueError: for a block below 1; when built, for a number of channels that is not divisible by b * b.
    """

    def __init__(self, block: int = 2, **kwargs: Any):
        super().__init__(**kwargs)
        self.block = _validation.integer(block, "block")

    def build(self, input_shape):
        pixels = self.block**2
        if input_shape[-1] % pixels:
            raise ValueError(f"the number of channels must be divisible by {pixels}; received {input_shape[-1]}")

    def call(self, inputs):
        b, (_, height, width, depth) = self.block, ops.shape(inputs)
        channels = depth // b**2
        blocks = ops.reshape(inputs, (-1, height, width, b, b, channels))
        return ops.reshape(ops.transpose(blocks, (0, 1, 3, 2, 4, 5)), (-1, b * height, b * width, channels))

    def compute_output_shape(self, input_shape):
        n, *size, depth = input_shape
        return (n, *(length and self.block * length for length in size), depth // self.block**2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "block": self.block}
