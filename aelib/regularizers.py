"""Sparsity penalties S(Z): Keras regularizers of codes Z, shape (n, units) or (n, ...)."""

from typing import Any

import keras
from keras import ops

from aelib import _validation


def l0(codes: Any) -> Any:
    """Return S(Z) = ||Z||_0, the number of entries per sample that are not exactly zero.

    It cannot be minimized by gradient descent: a small change of an entry almost never changes the count, so the
    gradient is zero wherever it exists; at zero, where the count jumps, it does not exist.

    Args:
        codes: (n, ...).

    Returns:
        A scalar tensor: summed over units, averaged over the n samples.
    """
    return _sum_per_sample(ops.cast(ops.not_equal(codes, 0), keras.config.floatx()))


@keras.saving.register_keras_serializable("aelib")
class L1Sparsity(keras.regularizers.Regularizer):
    """weight * ||Z||_1: absolute values summed over units, averaged over the batch.

    The average makes the strength independent of the batch size. Fix the length of the decoder's rows, as `Dictionary`
    does, or the network escapes the penalty by shrinking Z and growing the decoder. The value has the dtype of
    Keras's losses, `floatx()`, whatever the dtype of the codes.

    Args:
        weight: lambda, 0 or more, for a reconstruction loss that is a mean over pixels. For a loss that is a sum over
            pixels, as in the lecture, multiply it by the number of pixels.

    Raises:
        ValueError: for a weight that is negative or not finite.
    """

    def __init__(self, weight: float):
        self.weight = _validation.number(weight, "weight")

    def __call__(self, codes: Any) -> Any:
        return self.weight * _sum_per_sample(ops.abs(ops.cast(codes, keras.config.floatx())))

    def get_config(self) -> dict[str, Any]:
        return {"weight": self.weight}


@keras.saving.register_keras_serializable("aelib")
class KLSparsity(keras.regularizers.Regularizer):
    """weight * KL(p_Z || Ber_rho), summed over units; rho is the probability of ZERO, as in the lecture.

    For each unit, q is the mean of its values, which lie in [0, 1], over the batch. It stands in for the fraction of
    samples in which the unit is on, which has no useful gradient. Lecture: (1-q) ln((1-q)/rho) + q ln(q/(1-rho)).
    `reverse=True` is KL(Ber_rho || p_Z), the form of most textbooks (Ng 2011, CS294A notes, whose rho is our 1 - rho):
    rho ln(rho/(1-q)) + (1-rho) ln((1-rho)/q). A unit that is always off costs ln(1/rho) in the lecture's direction;
    in the reverse direction its cost diverges, so q is clipped to [1e-7, 1 - 1e-7]. Neither direction revives a dead
    unit: at q = 0 the clipping makes the gradient zero, as does a ReLU whose inputs are all negative.

    Args:
        weight: lambda, 0 or more, for a reconstruction loss that is a mean over pixels.
        zero_probability: rho, in (0, 1): the fraction of samples in which a unit should be off.
        reverse: the direction of the divergence.

    Raises:
        ValueError: for a weight or a probability out of range; when called, for codes outside [0, 1]. In a compiled
            training step, where values are not known yet, such codes make the penalty NaN.
    """

    def __init__(self, weight: float, zero_probability: float, reverse: bool = False):
        self.weight = _validation.number(weight, "weight")
        self.zero_probability = _validation.number(zero_probability, "zero_probability", 0, 1, bounds="()")
        self.reverse = bool(reverse)

    def __call__(self, codes: Any) -> Any:
        codes = ops.cast(codes, keras.config.floatx())
        low, high = ops.stop_gradient(ops.min(codes)), ops.stop_gradient(ops.max(codes))
        try:
            values = float(low), float(high)
        except TypeError:  # traced by a compiler or symbolic: no values yet
            values = None
        if values and not (values[0] >= 0 and values[1] <= 1):
            received = f"values from {values[0]:g} to {values[1]:g}"
            raise ValueError(f"codes must lie in [0, 1], as those of a sigmoid do; received {received}")
        rho = self.zero_probability
        q = ops.clip(ops.mean(codes, axis=0), 1e-7, 1 - 1e-7)
        if self.reverse:
            units = rho * ops.log(rho / (1 - q)) + (1 - rho) * ops.log((1 - rho) / q)
        else:
            units = (1 - q) * ops.log((1 - q) / rho) + q * ops.log(q / (1 - rho))
        in_range = ops.logical_and(low >= 0, high <= 1)
        return self.weight * ops.where(in_range, ops.sum(units), ops.full_like(low, float("nan")))

    def get_config(self) -> dict[str, Any]:
        return {"weight": self.weight, "zero_probability": self.zero_probability, "reverse": self.reverse}


def _sum_per_sample(entries):
    return ops.sum(entries) / ops.maximum(ops.cast(ops.shape(entries)[0], entries.dtype), 1)
