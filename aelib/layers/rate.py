"""A bottleneck that counts bits: codes are rounded, and the rate is what an entropy coder needs for them."""

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import ArrayLike

from aelib import _validation

_LEAST_PROBABILITY = 1e-9  # 30 bits per dimension; a code far outside of the density costs no more


@keras.saving.register_keras_serializable("aelib")
class RateBottleneck(layers.Layer):
    """Round codes to integers and add weight * rate to the loss: the `penalty` of an `Autoencoder`.

    The rate is the mean number of bits per code, -log2 of its probability under a density that the layer learns: for
    each dimension a mixture of logistic distributions, independent of the other dimensions. Rounding has no useful
    gradient. In training, uniform noise in [-0.5, 0.5) stands in for it; the density of the noisy code is at
    every integer the probability of that integer (Ballé, Laparra and Simoncelli 2017, arXiv:1611.01704).

    Args:
        weight: lambda, the cost of a bit per code in the loss; 0 or more.
        scale: factor on the codes before rounding, above 0; without it the noise would drown the small codes of an
            untrained encoder.
        components: number of logistic distributions in each mixture.
        seed: of the noise, an integer from 0 to 2**32 - 1, or None for one drawn from Keras's global seed.

    Raises:
        ValueError: for arguments out of range.
    """

    def __init__(
        self, weight: float, *, scale: float = 4.0, components: int = 3, seed: int | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.weight = _validation.number(weight, "weight")
        self.scale = _validation.number(scale, "scale", bounds="(]")
        self.components = _validation.integer(components, "components")
        self.seed = None if seed is None else _validation.seed(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def build(self, input_shape):
        shape = (self.components, input_shape[-1])
        self.logits = self.add_weight(shape=shape, initializer="zeros", name="logits")
        self.means = self.add_weight(shape=shape, initializer=_spread, name="means")
        self.log_scales = self.add_weight(shape=shape, initializer="zeros", name="log_scales")

    def call(self, codes, training=False):
        codes = codes * self.scale
        if training:
            noise = keras.random.uniform(ops.shape(codes), -0.5, 0.5, dtype=codes.dtype, seed=self.seed_generator)
            codes = codes + noise
        else:
            codes = ops.round(codes)
        self.add_loss(self.weight * ops.mean(self._bits(codes)))
        return codes

    def bits(self, codes: ArrayLike) -> np.ndarray:
        """Return the bits that each code takes once it is rounded, (n,) for codes (n, dimensions)."""
        codes = self.symbols(codes).astype("float32")
        return ops.convert_to_numpy(self._bits(ops.convert_to_tensor(codes)))

    def symbols(self, codes: ArrayLike) -> np.ndarray:
        """Return rounded codes as integers: what an entropy coder writes."""
        return np.rint(_validation.numeric(codes, "codes", finite=True) * self.scale).astype("int32")

    def probabilities(self, low: int, high: int) -> np.ndarray:
        """Return the probability of each integer from low to high, (dimensions, high - low + 1), as learned.

        They add up to less than 1: the rest is the probability of all other integers.
        """
        integers = np.arange(low, high + 1, dtype="float32")
        codes = ops.convert_to_tensor(np.repeat(integers[:, None], self.means.shape[1], axis=1))
        return ops.convert_to_numpy(self._probability(codes)).T

    def _bits(self, codes):
        probability = ops.maximum(self._probability(codes), _LEAST_PROBABILITY)
        return ops.sum(ops.log(probability), axis=-1) / -math.log(2)

    def _probability(self, codes):
        """Return the probability of the interval of width 1 around each entry of codes."""
        distance = ops.abs(ops.expand_dims(codes, -2) - self.means)
        # Both limits on the lower side of the distribution, where float32 does not round the difference to zero.
        sharpness = ops.exp(-self.log_scales)
        mass = ops.sigmoid((0.5 - distance) * sharpness) - ops.sigmoid((-0.5 - distance) * sharpness)
        return ops.sum(ops.softmax(self.logits, axis=0) * mass, axis=-2)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"weight": self.weight, "scale": self.scale, "components": self.components, "seed": self.seed}
        return {**super().get_config(), **own}


def _spread(shape, dtype=None):
    """Return initial means from -2 to 2, because components that begin equal stay equal."""
    means = np.linspace(-2, 2, shape[0]) if shape[0] > 1 else np.zeros(1)
    return ops.cast(np.repeat(means[:, None], shape[1], axis=1), dtype)
