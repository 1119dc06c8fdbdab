"""A layer that adds a penalty on the codes to the loss."""

from typing import Any

import keras
from keras import layers


@keras.saving.register_keras_serializable("aelib")
class SparsityPenalty(layers.Layer):
    """Return Z unchanged and add S(Z) to the loss: the `penalty` of an `Autoencoder`.

    It is a layer and not an `activity_regularizer`, because Keras divides the value of an activity regularizer by the
    batch size in `tf.keras` 2 and from Keras 3.14 on, but not in 3.0 to 3.13, so the same lambda has two meanings.

    Args:
        regularizer: a Keras regularizer, such as `L1Sparsity(0.01)`; its value is added as it is.

    Raises:
        TypeError: for anything but a Keras regularizer.
    """

    def __init__(self, regularizer: keras.regularizers.Regularizer, **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(regularizer, keras.regularizers.Regularizer):
            raise TypeError(f"regularizer must be a Keras regularizer, such as L1Sparsity; received {regularizer!r}")
        self.regularizer = regularizer
        self.built = True  # there are no weights to create

    def call(self, codes):
        self.add_loss(self.regularizer(codes))
        return codes

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "regularizer": keras.saving.serialize_keras_object(self.regularizer)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "regularizer": keras.saving.deserialize_keras_object(config["regularizer"])})
