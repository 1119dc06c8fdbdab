"""Layers that rearrange the entries of a tensor."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("aelib")
class DepthToSpace(layers.Layer):
    """Rearrange (n, h, w, 4c) into (n, 2h, 2w, c): four channels become a block of 2x2 pixels (Shi et al. 2016).

    Raises:
        ValueError: when built, for a number of channels that is not divisible by 4.
    """

    def build(self, input_shape):
        if input_shape[-1] % 4:
            raise ValueError(f"the number of channels must be divisible by 4; received {input_shape[-1]}")

    def call(self, inputs):
        _, height, width, depth = inputs.shape
        blocks = ops.reshape(inputs, (-1, height, width, 2, 2, depth // 4))
        return ops.reshape(ops.transpose(blocks, (0, 1, 3, 2, 4, 5)), (-1, 2 * height, 2 * width, depth // 4))

    def compute_output_shape(self, input_shape):
        n, height, width, depth = input_shape
        return (n, 2 * height, 2 * width, depth // 4)
