"""Layers with sparse outputs, and the dictionary that decodes them."""

from typing import Any

import keras
from keras import layers, ops

from aelib import _deprecated, _validation


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
class Dictionary(layers.Layer):
    """A linear decoder x-hat = Z D from (n, units) to (n, features), whose rows, the atoms, have length 1.

    Without a fixed length of the atoms, shrinking the codes and growing the atoms would evade an L1 penalty.

    Args:
        features: size of x.

    Raises:
        ValueError: for a number of features that is not a positive integer.
    """

    def __init__(self, features: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.features = _validation.integer(features, "features")

    def build(self, input_shape):
        # Orthogonal, because with independent initial atoms TopK never uses some of the units.
        shape = (input_shape[-1], self.features)
        self.kernel = self.add_weight(shape=shape, initializer="orthogonal", name="kernel")

    @property
    def atoms(self) -> Any:
        """The matrix D, a tensor (units, features) whose rows have length 1."""
        return self.kernel / ops.norm(self.kernel, axis=1, keepdims=True)

    def rows(self) -> Any:
        """Deprecated: `atoms`."""
        _deprecated.warn("Dictionary.rows()", "Dictionary.atoms")
        return self.atoms

    def call(self, codes):
        return ops.matmul(codes, self.atoms)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.features)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "features": self.features}


@keras.saving.register_keras_serializable("aelib")
class UnrolledEncoder(layers.Layer):
    """Encode with a few steps of iterative hard thresholding on a dictionary, with learned step sizes.

    z_0 = TopK(x W), then z_t+1 = TopK(z_t + s_t (x - z_t D) D^T). The iteration is from Blumensath and Davies
    2008 (arXiv:0805.0510), learning it unrolled from Gregor and LeCun 2010. D is shared with the decoder.

    Args:
        dictionary: the `Dictionary` that decodes; it may be unbuilt.
        units: size of a code.
        k: number of entries of a code that are not zero.
        steps: number of corrections.

    Raises:
        TypeError: for a dictionary that is not a `Dictionary`.
        ValueError: for numbers that are not positive integers, a k above `units`, or, when built, inputs whose size is
            not the dictionary's number of features.
    """

    def __init__(self, dictionary: Dictionary, units: int, k: int, steps: int = 3, **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(dictionary, Dictionary):
            raise TypeError(f"dictionary must be an aelib.layers.Dictionary; received {dictionary!r}")
        self.dictionary, self.units = dictionary, _validation.integer(units, "units")
        self.k = _validation.integer(k, "k", maximum=self.units)
        self.steps = _validation.integer(steps, "steps")
        self.supports_jit = _jit_is_faster()

    def build(self, input_shape):
        if input_shape[-1] != self.dictionary.features:
            raise ValueError(f"x must have {self.dictionary.features} entries; received {input_shape[-1]}")
        if not self.dictionary.built:
            self.dictionary.build((None, self.units))
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(shape=shape, initializer=self._transposed_atoms, name="kernel")
        half = keras.initializers.Constant(0.5)
        self.step_sizes = self.add_weight(shape=(self.steps,), initializer=half, name="step_sizes")

    def _transposed_atoms(self, shape, dtype=None):
        return ops.cast(ops.transpose(self.dictionary.atoms), dtype)

    def call(self, x):
        atoms = self.dictionary.atoms
        codes = _keep_largest(ops.matmul(x, self.kernel), self.k)
        for step in range(self.steps):
            correction = ops.matmul(x - ops.matmul(codes, atoms), ops.transpose(atoms))
            codes = _keep_largest(codes + self.step_sizes[step] * correction, self.k)
        return codes

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "k": self.k, "steps": self.steps}
        # Keras marks an object as shared when it meets it again, as the decoder; `Sequential` has copied this by then.
        dictionary = {**keras.saving.serialize_keras_object(self.dictionary), "shared_object_id": id(self.dictionary)}
        return {**super().get_config(), **own, "dictionary": dictionary}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "dictionary": keras.saving.deserialize_keras_object(config["dictionary"])})


def _keep_largest(codes, k):
    _, kept = ops.top_k(ops.abs(codes), k)
    return codes * ops.sum(ops.one_hot(kept, codes.shape[-1], dtype=codes.dtype), axis=-2)


def _jit_is_faster():
    # TensorFlow's own kernel finds the largest entries faster: with XLA, an `UnrolledEncoder` took twice as long.
    return keras.backend.backend() != "tensorflow"
