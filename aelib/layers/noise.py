"""Layers that degrade images with fresh noise at every call in training, and return them unchanged otherwise.

Put one in front of an encoder and train with `fit(x, x)`: the network sees degraded images, the loss compares its
output with the clean ones, and no degraded data set is stored. Degrade a test set with the functions of
`aelib.corruption`. A seed gives the same numbers on the same backend only.
"""

from typing import Any

import keras
from keras import layers, ops

from aelib import _deprecated, _validation


class _Noise(layers.Layer):
    """Base class of the noise layers; `argument` is the name of the argument that `amount` stands for."""

    argument = "probability"

    def __init__(self, amount, seed, **kwargs: Any):
        super().__init__(**kwargs)
        self.amount, self.seed = amount, None if seed is None else _validation.seed(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        # TensorFlow's XLA takes four times as long to draw noise as to train; without XLA such a model is faster.
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def call(self, images, training=False):
        return self.degrade(images) if training else images

    def degrade(self, images):
        raise NotImplementedError

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), self.argument: self.amount, "seed": self.seed}

    def uniform(self, images):
        """Draw one number in [0, 1) per pixel, shared by its channels."""
        shape = (*ops.shape(images)[:3], 1)
        return keras.random.uniform(shape, dtype=images.dtype, seed=self.seed_generator)


@keras.saving.register_keras_serializable("aelib")
class ClippedGaussianNoise(_Noise):
    """Add fresh Gaussian noise to every pixel in training, and clip to [0, 1]; Keras's `GaussianNoise` does not clip.

    Args:
        stddev: standard deviation of the noise before clipping, for images in [0, 1]; 0 or more.
        seed: integer from 0 to 2**32 - 1, or None for one drawn from Keras's global seed.

    Raises:
        ValueError: for a negative stddev or an invalid seed.
    """

    argument = "stddev"

    def __init__(self, stddev: float = 0.5, seed: int | None = None, **kwargs: Any):
        super().__init__(_validation.number(stddev, "stddev"), seed, **kwargs)

    def degrade(self, images):
        noise = keras.random.normal(ops.shape(images), stddev=self.amount, dtype=images.dtype, seed=self.seed_generator)
        return ops.clip(images + noise, 0, 1)


@keras.saving.register_keras_serializable("aelib")
class MaskingNoise(_Noise):
    """Set pixels to 0 in training, all channels of a pixel together; unlike dropout, do not scale the others.

    Args:
        probability: that a pixel is set to 0, in [0, 1].
        seed: as for `ClippedGaussianNoise`.

    Raises:
        ValueError: for a probability outside [0, 1] or an invalid seed.
    """

    def __init__(self, probability: float = 0.5, seed: int | None = None, **kwargs: Any):
        super().__init__(_validation.number(probability, "probability", 0, 1), seed, **kwargs)

    def degrade(self, images):
        return ops.where(self.uniform(images) < self.amount, ops.zeros_like(images), images)


@keras.saving.register_keras_serializable("aelib")
class SaltAndPepperNoise(MaskingNoise):
    """Set pixels to 0 or to 1 in training, with half of the probability each; arguments as for `MaskingNoise`."""

    def degrade(self, images):
        drawn = self.uniform(images)
        salted = ops.where(drawn < self.amount, ops.ones_like(images), images)
        return ops.where(drawn < self.amount / 2, ops.zeros_like(images), salted)


def _former(name, layer):
    """Return a deprecated layer, registered under its former name so that models saved with it can be loaded."""

    class Former(layer):
        def __init__(self, *args, **kwargs):
            _deprecated.warn(f"aelib.corruption.{name}", f"aelib.layers.{layer.__name__}")
            if "sigma" in kwargs:
                kwargs["stddev"] = kwargs.pop("sigma")
            super().__init__(*args, **kwargs)

    Former.__name__ = Former.__qualname__ = name
    return keras.saving.register_keras_serializable("aelib", name)(Former)


Gaussian = _former("Gaussian", ClippedGaussianNoise)
Masking = _former("Masking", MaskingNoise)
SaltAndPepper = _former("SaltAndPepper", SaltAndPepperNoise)
