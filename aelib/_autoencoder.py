"""The models that join an encoder and a decoder; `aelib.models` exports them."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import ArrayLike

from aelib import _validation
from aelib._network import in_batches
from aelib.layers import TopK


@keras.saving.register_keras_serializable("aelib")
class Autoencoder(keras.Model):
    """Z = encoder(X), then X-hat = decoder(Z); trained with `fit(x, x)`.

    Args:
        encoder: a Keras model or layer from images to codes.
        decoder: a Keras model or layer from codes to images.
        penalty: a layer between the two that adds to the loss, or None. A `SparsityPenalty` returns Z unchanged, a
            `RateBottleneck` rounds it.

    Raises:
        TypeError: if one of them is not a Keras layer.
    """

    _PARTS = ("encoder", "decoder", "penalty")  # arguments that are layers, and the attributes that hold them

    def __init__(
        self, encoder: layers.Layer, decoder: layers.Layer, penalty: layers.Layer | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        for name, part in (("encoder", encoder), ("decoder", decoder), ("penalty", penalty)):
            if not isinstance(part, layers.Layer) and not (name == "penalty" and part is None):
                raise TypeError(f"{name} must be a Keras layer or model; received {part!r}")
        self.encoder, self.decoder, self.penalty = encoder, decoder, penalty

    def build(self, input_shape):
        if self.penalty is not None and not self.penalty.built:
            self.penalty.build(self.encoder.compute_output_shape(input_shape))
        super().build(input_shape)

    def call(self, images, training=None):
        code = self.encoder(images, training=training)
        if self.penalty is not None:
            code = self.penalty(code, training=training)
        return self.decoder(code, training=training)

    def encode(self, x: ArrayLike, batch_size: int = 1000) -> np.ndarray:
        """Return the codes of images, (n, ...)."""
        return in_batches(self.encoder, x, batch_size)

    def decode(self, z: ArrayLike, batch_size: int = 1000) -> np.ndarray:
        """Return the images of codes, (n, height, width, channels)."""
        return in_batches(self.decoder, z, batch_size)

    def reconstruct(self, x: ArrayLike, batch_size: int = 1000) -> np.ndarray:
        """Return the network's output for x, of the shape of x: decode(encode(x)), unless the penalty changes Z."""
        return in_batches(self, x, batch_size)

    def get_config(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in self._PARTS}
        saved = {name: part and keras.saving.serialize_keras_object(part) for name, part in parts.items()}
        return {**super().get_config(), **saved}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in cls._PARTS:
            config[name] = config[name] and keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


@keras.saving.register_keras_serializable("aelib")
class AuxKAutoencoder(Autoencoder):
    """A sparse autoencoder whose dead units learn what the others miss: the loss AuxK (Gao et al. 2024).

    A unit is dead once it has been zero for `dead_after` inputs in a row, counted in whole batches. Among the dead
    units, those k_aux whose pre-activations are largest in absolute value decode the residual X - X-hat, and the mean
    squared error of that, times `weight`, is added to the loss in training (arXiv:2406.04093, appendix A.2). The
    residual counts as fixed: the term has no gradient for the other units, nor for a bias of the decoder, which it
    leaves out. A unit that ends in a ReLU and is zero for every input gets no gradient from it either.

    Args:
        encoder: a Keras model or layer from inputs to pre-activations (n, units), such as one that ends in a ReLU.
        decoder: a linear Keras model or layer from codes to inputs; it may add a bias.
        sparsity: the layer that makes codes of pre-activations, such as `TopK`.
        k_aux: number of dead units that decode the residual, at most the number of units; the paper takes about half of
            the dimensions of X.
        weight: of the added term, 0 or more; the paper takes 1/32.
        dead_after: number of inputs; the paper takes ten million tokens.

    Raises:
        TypeError: if a part is not a Keras layer.
        ValueError: for numbers out of range, or, when built, an encoder whose output is not (n, units).
    """

    _PARTS = ("encoder", "decoder", "sparsity")

    def __init__(
        self,
        encoder: layers.Layer,
        decoder: layers.Layer,
        sparsity: layers.Layer,
        *,
        k_aux: int,
        weight: float = 1 / 32,
        dead_after: int = 10_000,
        **kwargs: Any,
    ):
        super().__init__(encoder, decoder, None, **kwargs)
        if not isinstance(sparsity, layers.Layer):
            raise TypeError(f"sparsity must be a Keras layer, such as TopK; received {sparsity!r}")
        self.sparsity, self.weight = sparsity, _validation.number(weight, "weight")
        self.largest = TopK(_validation.integer(k_aux, "k_aux"), dtype=self.dtype_policy)
        self.dead_after = _validation.integer(dead_after, "dead_after")

    def build(self, input_shape):
        shape = self.encoder.compute_output_shape(input_shape)
        if len(shape) != 2:
            raise ValueError(f"encoder must return pre-activations (n, units); received shape {shape}")
        _validation.integer(self.largest.k, "k_aux", maximum=shape[-1])
        # In full precision: in half precision, a large count plus one is the same count.
        self.silent_for = self.add_weight(
            shape=shape[-1:], initializer="zeros", trainable=False, autocast=False, name="silent_for"
        )
        super().build(input_shape)

    def call(self, images, training=None):
        pre_activations = self.encoder(images, training=training)
        codes = self.sparsity(pre_activations, training=training)
        output = self.decoder(codes, training=training)
        if training:
            self.add_loss(self.weight * self._residual_error(images, output, pre_activations, codes))
        return output

    def _residual_error(self, images, output, pre_activations, codes):
        """Count for how long each unit was silent, and return the error of the dead ones as decoders of a residual."""
        count = self.silent_for.dtype
        silent = ops.cast(ops.all(ops.equal(codes, 0), axis=0), count)
        self.silent_for.assign(silent * (self.silent_for + ops.cast(ops.shape(codes)[0], count)))
        dead = self.silent_for >= self.dead_after
        aux_codes = self.largest(pre_activations * ops.cast(dead, pre_activations.dtype))
        bias = self.decoder(ops.zeros_like(aux_codes[:1]), training=True)
        decoded = self.decoder(aux_codes, training=True) - bias
        floatx = keras.config.floatx()
        residual = ops.stop_gradient(ops.cast(images, floatx) - ops.cast(output, floatx))
        return ops.mean(ops.square(residual - ops.cast(decoded, floatx))) * ops.cast(ops.any(dead), floatx)

    def encode(self, x: ArrayLike, batch_size: int = 1000) -> np.ndarray:
        """Return the sparse codes of inputs, (n, units)."""
        return in_batches(self._codes, x, batch_size)

    def _codes(self, x, training=False):
        return self.sparsity(self.encoder(x, training=training), training=training)

    def get_config(self) -> dict[str, Any]:
        own = {"k_aux": self.largest.k, "weight": self.weight, "dead_after": self.dead_after}
        return {**super().get_config(), **own}
