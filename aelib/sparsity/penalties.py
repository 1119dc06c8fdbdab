"""Codes Z, shape (n, units) or (n, ...), go in; S(Z), a number to add to the loss, comes out."""

import math

import keras
from keras import layers, ops


def l0(codes):
    """S(Z) = ||Z||_0: the number of entries that are not exactly zero, per sample.

    It cannot be trained by gradient descent: a small change of an entry almost never changes the count, so the gradient
    is zero wherever it exists, and at zero, where the count jumps, it does not exist.

    Args:
        codes: (n, ...).

    Returns:
        A scalar tensor: summed over units, averaged over the n samples.
    """
    return _per_sample(ops.cast(ops.not_equal(codes, 0), "float32"))


@keras.saving.register_keras_serializable("aelib")
class L1Sparsity(keras.regularizers.Regularizer):
    """weight * ||Z||_1: absolute values summed over units, averaged over the batch, in float32.

    The average makes its strength independent of the batch size. Bound the dictionary's rows (`Dictionary` does), or
    the network escapes the penalty by shrinking Z and growing the decoder.

    Args:
        weight: lambda, for a reconstruction loss that is a mean over pixels; the lecture's, with a sum over pixels,
            is as many times larger as there are pixels.

    Raises:
        ValueError: for a weight that is negative or not finite.
    """

    def __init__(self, weight):
        self.weight = _weight(weight)

    def __call__(self, codes):
        return self.weight * _per_sample(ops.abs(ops.cast(codes, "float32")))

    def get_config(self):
        return {"weight": self.weight}


@keras.saving.register_keras_serializable("aelib")
class KLSparsity(keras.regularizers.Regularizer):
    """weight * KL(p_Z || Ber_rho), summed over units; rho is the probability of ZERO, as in the lecture.

    For each unit, q is the mean of its values, which lie in [0, 1], over the batch. It stands in for the share of
    samples in which the unit is on, which has no useful gradient. Lecture: (1-q) ln((1-q)/rho) + q ln(q/(1-rho)).
    `reverse=True` is KL(Ber_rho || p_Z) of most textbooks (Ng 2011, CS294A notes, whose rho is our 1 - rho):
    rho ln(rho/(1-q)) + (1-rho) ln((1-rho)/q). A unit that is always off costs ln(1/rho) in the lecture's direction;
    in the reverse one the cost diverges, and we clip q to [1e-7, 1 - 1e-7]. Neither direction revives a dead unit: at
    q = 0 the clip makes the gradient zero, as does a ReLU whose inputs are all negative. Computed in float32.

    Args:
        weight: lambda, for a reconstruction loss that is a mean over pixels.
        zero_probability: rho, in (0, 1): the share of samples in which a unit should be off.
        reverse: the direction of the divergence.

    Raises:
        ValueError: for a weight or a probability out of range; when called, for codes outside [0, 1]. Where values
            are not known yet, inside a compiled training step, such codes make the penalty NaN, which stops `fit`.
    """

    def __init__(self, weight, zero_probability, reverse=False):
        self.weight = _weight(weight)
        if not _is_number(zero_probability) or not 0 < zero_probability < 1:
            raise ValueError(f"zero_probability must be in (0, 1); received {zero_probability!r}")
        self.zero_probability, self.reverse = float(zero_probability), bool(reverse)

    def __call__(self, codes):
        codes = ops.cast(codes, "float32")
        low, high = ops.min(codes), ops.max(codes)
        refused = "codes must lie in [0, 1] for a KL penalty, as those of a sigmoid do; received values from {} to {}"
        try:
            values = float(low), float(high)
        except TypeError:  # traced by a compiler or symbolic: no values yet
            values = None
        if values and not (values[0] >= 0 and values[1] <= 1):
            raise ValueError(refused.format(*values))
        rho = self.zero_probability
        q = ops.clip(ops.mean(codes, axis=0), 1e-7, 1 - 1e-7)
        if self.reverse:
            units = rho * ops.log(rho / (1 - q)) + (1 - rho) * ops.log((1 - rho) / q)
        else:
            units = (1 - q) * ops.log((1 - q) / rho) + q * ops.log(q / (1 - rho))
        in_range = ops.logical_and(low >= 0, high <= 1)
        return self.weight * ops.where(in_range, ops.sum(units), float("nan"))

    def get_config(self):
        return {"weight": self.weight, "zero_probability": self.zero_probability, "reverse": self.reverse}


@keras.saving.register_keras_serializable("aelib")
class SparsityPenalty(layers.Layer):
    """Returns Z unchanged and adds S(Z) to the loss: the `penalty` of an `Autoencoder`.

    A layer and not an `activity_regularizer`, because Keras divides those by the batch size in `tf.keras` 2 and from
    version 3.14 on, but not in 3.0 to 3.13, so that one and the same lambda means different things.

    Args:
        regularizer: such as `L1Sparsity(0.01)`; its value is added as it is.

    Raises:
        TypeError: for anything but a Keras regularizer.
    """

    def __init__(self, regularizer, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(regularizer, keras.regularizers.Regularizer):
            raise TypeError(f"regularizer must be a Keras regularizer, such as L1Sparsity; received {regularizer!r}")
        self.regularizer = regularizer
        self.built = True  # there are no weights to make

    def call(self, codes):
        self.add_loss(self.regularizer(codes))
        return codes

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "regularizer": keras.saving.serialize_keras_object(self.regularizer)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "regularizer": keras.saving.deserialize_keras_object(config["regularizer"])})


def _per_sample(entries):
    return ops.sum(entries) / ops.maximum(ops.cast(ops.shape(entries)[0], "float32"), 1)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _weight(value):
    if not _is_number(value) or not 0 <= value < math.inf:
        raise ValueError(f"weight must be a number, zero or positive; received {value!r}")
    return float(value)
