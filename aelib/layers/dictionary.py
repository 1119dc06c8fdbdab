"""The dictionary that decodes sparse codes, and an encoder that shares it."""

from typing import Any

import keras
from keras import layers, ops

from aelib import _deprecated, _validation
from aelib.layers.sparse import AdaptiveThreshold, TopK


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

    z_0 = keep(x W), then z_t+1 = keep(z_t + s_t (x - z_t D) D^T). `keep` is `TopK` or, where inputs may use different
    numbers of entries, `AdaptiveThreshold`. The iteration is from Blumensath and Davies 2008 (arXiv:0805.0510),
    learning it unrolled from Gregor and LeCun 2010. D is shared with the decoder. W begins as D^T.

    Args:
        dictionary: the `Dictionary` that decodes; it may be unbuilt.
        units: size of a code.
        k: number of entries of a code that are not zero.
        steps: number of corrections.
        on_average: whether the number is k on average over training batches, not for each code; then k need not be an
            integer, and the thresholds of the training, one for each step, decide in use.

    Raises:
        TypeError: for a dictionary that is not a `Dictionary`.
        ValueError: for numbers that are not positive integers (k: not positive, if on average), a k above `units`, or,
            when built, inputs whose size is not the dictionary's number of features.
    """

    def __init__(
        self,
        dictionary: Dictionary,
        units: int,
        k: float,
        steps: int = 3,
        *,
        on_average: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not isinstance(dictionary, Dictionary):
            raise TypeError(f"dictionary must be an aelib.layers.Dictionary; received {dictionary!r}")
        self.dictionary, self.units = dictionary, _validation.integer(units, "units")
        self.on_average, self.steps = bool(on_average), _validation.integer(steps, "steps")
        if on_average:
            self.k = _validation.number(k, "k", 0, self.units, bounds="(]")
        else:
            self.k = _validation.integer(k, "k", maximum=self.units)
        layer: Any = AdaptiveThreshold if on_average else TopK
        self.keep = [layer(self.k, dtype=self.dtype_policy) for _ in range(self.steps + 1)]
        self.supports_jit = self.keep[0].supports_jit

    def build(self, input_shape):
        if input_shape[-1] != self.dictionary.features:
            raise ValueError(f"x must have {self.dictionary.features} entries; received {input_shape[-1]}")
        if not self.dictionary.built:
            self.dictionary.build((None, self.units))
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(shape=shape, initializer=self._transposed_atoms, name="kernel")
        half = keras.initializers.Constant(0.5)
        self.step_sizes = self.add_weight(shape=(self.steps,), initializer=half, name="step_sizes")
        for layer in self.keep:
            layer.build((*input_shape[:-1], self.units))

    def _transposed_atoms(self, shape, dtype=None):
        return ops.cast(ops.transpose(self.dictionary.atoms), dtype)

    def call(self, x, training=False):
        atoms = self.dictionary.atoms
        first, *others = self.keep
        codes = first(ops.matmul(x, self.kernel), training=training)
        for step, keep in enumerate(others):
            correction = ops.matmul(x - ops.matmul(codes, atoms), ops.transpose(atoms))
            codes = keep(codes + self.step_sizes[step] * correction, training=training)
        return codes

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "k": self.k, "steps": self.steps, "on_average": self.on_average}
        # Keras marks an object as shared when it meets it again, as the decoder; `Sequential` has copied this by then.
        dictionary = {**keras.saving.serialize_keras_object(self.dictionary), "shared_object_id": id(self.dictionary)}
        return {**super().get_config(), **own, "dictionary": dictionary}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "dictionary": keras.saving.deserialize_keras_object(config["dictionary"])})
