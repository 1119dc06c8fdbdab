"""Layers whose outputs are sparse: what they keep, and what they set to exactly zero."""

import math
from typing import Any

import keras
from keras import layers, ops

from aelib import _validation

_LEAST_THRESHOLD = 1e-30


@keras.saving.register_keras_serializable("aelib")
class TopK(layers.Layer):
    """Keep the k entries of each code with the largest absolute values, and set all others to exactly zero.

    The gradient passes unchanged through the entries that are kept; it is zero for the others. The k-sparse autoencoder
    of Makhzani and Frey 2013 (arXiv:1312.5663) keeps the k highest values instead. Ties never keep more than k entries.

    Args:
        k: number of entries to keep, at most the number of units.

    Raises:
        ValueError: for a k that is not a positive integer, or, when built, larger than the number of units.
    """

    def __init__(self, k: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.k = _validation.integer(k, "k")
        self.supports_jit = _jit_is_faster()

    def build(self, input_shape):
        _validation.integer(self.k, "k", maximum=input_shape[-1])

    def call(self, codes):
        return _keep_largest(codes, self.k)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k}


@keras.saving.register_keras_serializable("aelib")
class BatchTopK(layers.Layer):
    """Keep the k * n entries of a batch of n codes with the largest absolute values, k per code on average.

    In training the codes of a batch compete. In use, where a code must not depend on the others in its batch, the
    entries of at least `threshold` are kept, a running average of the smallest nonzero absolute value kept in a batch
    (Bussmann, Leask and Nanda 2024, arXiv:2412.06410, whose codes come from a ReLU). It is 0 before any training.
    Assign to `threshold` to keep another number. In training, k * n is rounded, at least one entry is kept, and so are
    all entries as large as the smallest one kept.

    Args:
        k: entries to keep per code on average, above 0 and at most the number of units; need not be an integer.
        momentum: weight of the former value in the running average, in [0, 1).

    Raises:
        ValueError: for arguments out of range, or, when built, a k larger than the number of units.
    """

    def __init__(self, k: float, *, momentum: float = 0.99, **kwargs: Any):
        super().__init__(**kwargs)
        self.k = _validation.number(k, "k", bounds="(]")
        self.momentum = _validation.number(momentum, "momentum", 0, 1, bounds="[)")
        self.supports_jit = _jit_is_faster()

    def build(self, input_shape):
        _validation.number(self.k, "k", 0, input_shape[-1], bounds="(]")
        self.threshold = _state(self, "threshold")
        self.batches = _state(self, "batches")

    def call(self, codes, training=False):
        sizes = ops.stop_gradient(ops.abs(codes))
        threshold = self._smallest_kept(sizes) if training else ops.cast(self.threshold, sizes.dtype)
        if training:
            self._average(ops.min(ops.where(sizes > 0, ops.maximum(sizes, threshold), math.inf)))
        return codes * ops.cast(sizes >= threshold, codes.dtype)

    def _average(self, smallest):
        """Add the smallest nonzero entry of a batch, infinite if there is none, to the running average."""
        smallest = ops.cast(smallest, self.threshold.dtype)
        found = ops.isfinite(smallest)
        # A plain mean over the first batches, so that the initial value has no weight.
        momentum = ops.where(found, ops.minimum(self.momentum, self.batches / (self.batches + 1)), 1.0)
        self.threshold.assign(momentum * self.threshold + (1 - momentum) * ops.where(found, smallest, 0.0))
        self.batches.assign(self.batches + ops.cast(found, self.batches.dtype))

    def _smallest_kept(self, sizes):
        fraction = self.k / sizes.shape[-1]
        ordered = ops.sort(ops.reshape(sizes, (-1,)))
        total = ops.shape(ordered)[0]
        count = ops.cast(ops.round(ops.cast(total, "float32") * fraction), "int32")
        return ops.take(ordered, ops.clip(total - count, 0, total - 1))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k, "momentum": self.momentum}


@keras.saving.register_keras_serializable("aelib")
class AdaptiveThreshold(layers.Layer):
    """Keep the entries whose absolute value is at least a threshold, adjusted so that k per code remain on average.

    At every training step the logarithm of the threshold moves by rate * (kept / k - 1), limited to rate, where `kept`
    is the mean number of entries that the batch kept. Unlike `BatchTopK` it sorts nothing, and keeps k per code over
    many batches rather than in each. The threshold is 1 at first. Assign to `threshold` to keep another number.

    Args:
        k: entries to keep per code on average, above 0 and at most the number of units; need not be an integer.
        rate: of the adjustment, above 0 and at most 1.

    Raises:
        ValueError: for arguments out of range, or, when built, a k larger than the number of units.
    """

    def __init__(self, k: float, *, rate: float = 0.02, **kwargs: Any):
        super().__init__(**kwargs)
        self.k = _validation.number(k, "k", bounds="(]")
        self.rate = _validation.number(rate, "rate", 0, 1, bounds="(]")

    def build(self, input_shape):
        _validation.number(self.k, "k", 0, input_shape[-1], bounds="(]")
        self.threshold = _state(self, "threshold", "ones")

    def call(self, codes, training=False):
        sizes = ops.stop_gradient(ops.cast(ops.abs(codes), self.threshold.dtype))
        kept = ops.cast(sizes >= self.threshold, self.threshold.dtype)
        if training:
            surplus = ops.mean(ops.sum(kept, axis=-1)) / self.k - 1
            # A threshold of zero could not rise again.
            threshold = ops.maximum(self.threshold * ops.exp(self.rate * ops.minimum(surplus, 1)), _LEAST_THRESHOLD)
            self.threshold.assign(threshold)
        return codes * ops.cast(kept, codes.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k, "rate": self.rate}


@keras.saving.register_keras_serializable("aelib")
class JumpReLU(layers.Layer):
    """Keep the entries above a threshold, which each unit learns, and add weight * L0 to the loss.

    L0 is the number of entries kept, averaged over codes. Neither it nor the output has a useful gradient with respect
    to a threshold t. Both get the pseudo-derivatives of Rajamanoharan et al. 2024 (arXiv:2407.14435) with a rectangular
    kernel: an entry within bandwidth / 2 of t has -1 / bandwidth for L0, -t / bandwidth for the output, any other
    entry 0. The layer learns log t, as in the paper, which keeps t positive.

    Args:
        weight: lambda, the cost in the loss of one entry per code that is kept; 0 or more.
        bandwidth: width of the kernel, above 0, in the unit of the codes; the paper's 0.001 is for inputs x scaled to a
            mean of |x|^2 of 1. Thresholds that no entry comes near do not move.
        threshold: initial value for every unit, above 0.

    Raises:
        ValueError: for arguments out of range.
    """

    def __init__(self, weight: float, *, bandwidth: float = 0.001, threshold: float = 0.001, **kwargs: Any):
        super().__init__(**kwargs)
        self.weight = _validation.number(weight, "weight")
        self.bandwidth = _validation.number(bandwidth, "bandwidth", bounds="(]")
        self.initial_threshold = _validation.number(threshold, "threshold", bounds="(]")

    def build(self, input_shape):
        initial = keras.initializers.Constant(math.log(self.initial_threshold))
        self.log_threshold = self.add_weight(
            shape=input_shape[-1:], initializer=initial, autocast=False, name="log_threshold"
        )

    @property
    def threshold(self) -> Any:
        """The thresholds, a tensor (units,)."""
        return ops.exp(self.log_threshold)

    def call(self, codes):
        threshold = self.threshold
        fixed, values = ops.stop_gradient(threshold), ops.stop_gradient(ops.cast(codes, threshold.dtype))
        kept = ops.cast(values > fixed, threshold.dtype)
        kernel = ops.cast(ops.abs(values - fixed) < self.bandwidth / 2, threshold.dtype)
        # Zero, with the gradient of an entry on a ramp of this width.
        change = kernel / self.bandwidth * (threshold - fixed)
        self.add_loss(self.weight * ops.mean(ops.sum(ops.cast(kept - change, keras.config.floatx()), axis=-1)))
        return codes * ops.cast(kept, codes.dtype) - ops.cast(fixed * change, codes.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"weight": self.weight, "bandwidth": self.bandwidth, "threshold": self.initial_threshold}
        return {**super().get_config(), **own}


def _keep_largest(codes, k):
    _, kept = ops.top_k(ops.abs(codes), k)
    return codes * ops.sum(ops.one_hot(kept, codes.shape[-1], dtype=codes.dtype), axis=-2)


def _state(layer, name, initializer="zeros"):
    """Add a number that a layer updates in training, in full precision: small changes are lost in half precision."""
    return layer.add_weight(shape=(), initializer=initializer, trainable=False, autocast=False, name=name)


def _jit_is_faster():
    # TensorFlow's own kernel finds the largest entries faster: with XLA, an `UnrolledEncoder` took twice as long.
    return keras.backend.backend() != "tensorflow"
