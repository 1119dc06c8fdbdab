"""Codes or vectors go in; codes with k entries that are not zero, or what a dictionary makes of them, come out."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable("aelib")
class TopK(layers.Layer):
    """Keeps the k entries of each code that are largest in size, signs included, and makes all others exactly zero.

    The gradient passes unchanged through what is kept and not at all through the rest. The k-sparse autoencoder of
    Makhzani and Frey 2013 (arXiv:1312.5663) keeps the k highest values instead. Of equal entries, too, no more than
    k are kept.

    Args:
        k: entries to keep, at most as many as there are units.

    Raises:
        ValueError: for a k that is not a positive integer, or, when built, larger than the number of units.
    """

    def __init__(self, k, **kwargs):
        super().__init__(**kwargs)
        self.k = _positive(k, "k")
        self.supports_jit = _jit_pays()

    def build(self, input_shape):
        _at_most(self.k, input_shape[-1])

    def call(self, codes):
        return _keep_largest(codes, self.k)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "k": self.k}


@keras.saving.register_keras_serializable("aelib")
class Dictionary(layers.Layer):
    """A linear decoder x-hat = Z D whose rows, the features, have length 1: (n, units) to (n, features).

    A row of fixed length fixes the scale of the code, without which an L1 penalty means nothing.

    Args:
        features: entries of x.
    """

    def __init__(self, features, **kwargs):
        super().__init__(**kwargs)
        self.features = _positive(features, "features")

    def build(self, input_shape):
        # Rows that begin at right angles: with independent ones, TopK leaves some units unused for good.
        shape = (input_shape[-1], self.features)
        self.kernel = self.add_weight(shape=shape, initializer="orthogonal", name="kernel")

    def rows(self):
        """D, shape (units, features): every row of length 1."""
        return self.kernel / ops.norm(self.kernel, axis=1, keepdims=True)

    def call(self, codes):
        return ops.matmul(codes, self.rows())

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.features)

    def get_config(self):
        return {**super().get_config(), "features": self.features}


@keras.saving.register_keras_serializable("aelib")
class UnrolledEncoder(layers.Layer):
    """A few steps of iterative hard thresholding on a dictionary, as layers whose step sizes are learned.

    z_0 = TopK(x W), then z_t+1 = TopK(z_t + s_t (x - z_t D) D^T). The iteration is Blumensath and Davies 2008
    (arXiv:0805.0510); unrolling and learning it, Gregor and LeCun 2010. D is the decoder's, shared with it.

    Args:
        dictionary: the `Dictionary` that decodes; it may be unbuilt.
        units: entries of a code.
        k: entries that are not zero.
        steps: number of corrections.
    """

    def __init__(self, dictionary, units, k, steps=3, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(dictionary, Dictionary):
            raise TypeError(f"dictionary must be an aelib.sparsity.Dictionary; received {dictionary!r}")
        self.dictionary, self.units = dictionary, _positive(units, "units")
        self.k, self.steps = _at_most(_positive(k, "k"), units), _positive(steps, "steps")
        self.supports_jit = _jit_pays()

    def build(self, input_shape):
        if input_shape[-1] != self.dictionary.features:
            raise ValueError(f"x must have {self.dictionary.features} entries; received {input_shape[-1]}")
        if not self.dictionary.built:
            self.dictionary.build((None, self.units))
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(shape=shape, initializer=self._transposed_rows, name="kernel")
        half = keras.initializers.Constant(0.5)
        self.step_sizes = self.add_weight(shape=(self.steps,), initializer=half, name="step_sizes")

    def _transposed_rows(self, shape, dtype=None):
        return ops.cast(ops.transpose(self.dictionary.rows()), dtype)

    def call(self, x):
        rows = self.dictionary.rows()
        codes = _keep_largest(ops.matmul(x, self.kernel), self.k)
        for step in range(self.steps):
            correction = ops.matmul(x - ops.matmul(codes, rows), ops.transpose(rows))
            codes = _keep_largest(codes + self.step_sizes[step] * correction, self.k)
        return codes

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        own = {"units": self.units, "k": self.k, "steps": self.steps}
        # Keras marks what it meets again as shared, here the decoder; but `Sequential` has copied this config by then.
        dictionary = {**keras.saving.serialize_keras_object(self.dictionary), "shared_object_id": id(self.dictionary)}
        return {**super().get_config(), **own, "dictionary": dictionary}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "dictionary": keras.saving.deserialize_keras_object(config["dictionary"])})


def _keep_largest(codes, k):
    _, kept = ops.top_k(ops.abs(codes), k)
    return codes * ops.sum(ops.one_hot(kept, codes.shape[-1], dtype=codes.dtype), axis=-2)


def _jit_pays():
    # TensorFlow's XLA finds the largest entries more slowly than its own kernel: an unrolled epoch took twice as long.
    return keras.backend.backend() != "tensorflow"


def _positive(value, name):
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a positive integer; received {value!r}")
    return int(value)


def _at_most(k, units):
    if k > units:
        raise ValueError(f"k must be at most the number of units, {units}; received {k}")
    return k
