"""Networks: images (n, height, width, channels) in [0, 1] go in; codes and reconstructed images come out."""

import keras
import numpy as np
from keras import layers, ops


def mlp_encoder(image_shape, latent_dim, hidden=(512, 128, 32), activation="sigmoid", latent_activation="sigmoid"):
    """Dense layers from a flattened image to a code.

    Args:
        image_shape: (height, width, channels) of one image.
        latent_dim: number of entries of the code.
        hidden: widths of the layers between image and code; may be empty.
        activation: of the hidden layers.
        latent_activation: of the code; "sigmoid" keeps it in (0, 1), None leaves it unbounded.

    Returns:
        A `keras.Sequential` from (n, height, width, channels) to (n, latent_dim).

    Raises:
        ValueError: for a shape or a width that is not made of positive integers.
    """
    image_shape = _image_shape(image_shape)
    return keras.Sequential(
        [
            layers.Input(image_shape),
            layers.Flatten(),
            *[layers.Dense(width, activation) for width in _sizes(hidden, "hidden")],
            layers.Dense(_positive(latent_dim, "latent_dim"), latent_activation, name="code"),
        ],
        name="encoder",
    )


def mlp_decoder(image_shape, latent_dim, hidden=(32, 128, 512), activation="sigmoid", output_activation="sigmoid"):
    """Dense layers from a code to an image: the mirror of `mlp_encoder`.

    Args:
        image_shape: (height, width, channels) of one image.
        latent_dim: number of entries of the code.
        hidden: widths of the layers between code and image; may be empty.
        activation: of the hidden layers.
        output_activation: of the pixels; "sigmoid" keeps them in (0, 1).

    Returns:
        A `keras.Sequential` from (n, latent_dim) to (n, height, width, channels).

    Raises:
        ValueError: for a shape or a width that is not made of positive integers.
    """
    image_shape = _image_shape(image_shape)
    return keras.Sequential(
        [
            layers.Input((_positive(latent_dim, "latent_dim"),)),
            *[layers.Dense(width, activation) for width in _sizes(hidden, "hidden")],
            layers.Dense(int(np.prod(image_shape)), output_activation, name="pixels"),
            layers.Reshape(image_shape),
        ],
        name="decoder",
    )


def conv_encoder(image_shape, latent_channels, filters=(32, 64), activation="relu", latent_activation=None):
    """Strided 3x3 convolutions; each entry of `filters` halves height and width.

    The code keeps its place on a grid: a tensor (height / 2^k, width / 2^k, latent_channels) for k filters.

    Args:
        image_shape: (height, width, channels); height and width must be divisible by 2^k.
        latent_channels: numbers kept at each place of the grid.
        filters: channels after each halving.
        activation: of the convolutions; each is batch-normalised before it.
        latent_activation: of the code.

    Returns:
        A `keras.Sequential` from (n, height, width, channels) to (n, height/2^k, width/2^k, latent_channels).

    Raises:
        ValueError: for a shape that the halvings do not divide, or sizes that are not positive integers.
    """
    image_shape, filters = _halvable(image_shape, filters)
    encoder = keras.Sequential([layers.Input(image_shape)], name="encoder")
    for count in filters:
        # BatchNormalization has its own offset, so the convolution needs none.
        encoder.add(layers.Conv2D(count, 3, strides=2, padding="same", use_bias=False))
        encoder.add(layers.BatchNormalization(momentum=0.9))
        encoder.add(layers.Activation(activation))
    channels = _positive(latent_channels, "latent_channels")
    encoder.add(layers.Conv2D(channels, 1, activation=latent_activation, name="code"))
    return encoder


def conv_decoder(image_shape, latent_channels, filters=(64, 32), activation="relu", output_activation="sigmoid"):
    """3x3 convolutions that double height and width by rearranging channels into pixels.

    "Depth to space" (Shi et al. 2016, arXiv:1609.05158) costs the same on every Keras backend, where transposed
    convolutions are several times slower on some; a CPU is slow, too, at convolving a large image to few channels.

    Args:
        image_shape: (height, width, channels) of the image to make.
        latent_channels: numbers at each place of the code's grid.
        filters: channels before each doubling.
        activation: of the convolutions; each is batch-normalised before it.
        output_activation: of the pixels; "sigmoid" keeps them in (0, 1).

    Returns:
        A `keras.Sequential` from (n, height/2^k, width/2^k, latent_channels) to (n, height, width, channels).

    Raises:
        ValueError: for a shape that the doublings do not reach, or sizes that are not positive integers.
    """
    (height, width, channels), filters = _halvable(image_shape, filters)
    shrink = 2 ** len(filters)
    grid = (height // shrink, width // shrink, _positive(latent_channels, "latent_channels"))
    decoder = keras.Sequential([layers.Input(grid)], name="decoder")
    for index, count in enumerate([*filters, channels]):
        last = index == len(filters)
        decoder.add(layers.Conv2D(4 * count if index else count, 3, padding="same", use_bias=last))
        if index:
            decoder.add(DepthToSpace())
        if not last:
            decoder.add(layers.BatchNormalization(momentum=0.9))
        decoder.add(layers.Activation(output_activation if last else activation))
    return decoder


@keras.saving.register_keras_serializable("aelib")
class DepthToSpace(layers.Layer):
    """Rearranges (n, h, w, 4c) into (n, 2h, 2w, c): four channels become a 2x2 block of pixels."""

    def build(self, input_shape):
        if input_shape[-1] % 4:
            raise ValueError(f"the number of channels must be divisible by 4; received {input_shape[-1]}")

    def call(self, tensor):
        _, height, width, depth = tensor.shape
        blocks = ops.reshape(tensor, (-1, height, width, 2, 2, depth // 4))
        return ops.reshape(ops.transpose(blocks, (0, 1, 3, 2, 4, 5)), (-1, 2 * height, 2 * width, depth // 4))

    def compute_output_shape(self, input_shape):
        n, height, width, depth = input_shape
        return (n, 2 * height, 2 * width, depth // 4)


@keras.saving.register_keras_serializable("aelib")
class Autoencoder(keras.Model):
    """Z = encoder(X), then X-hat = decoder(Z); trained with `fit(X, X)`.

    Args:
        encoder: any Keras model or layer from images to codes.
        decoder: any Keras model or layer from codes to images.
        penalty: optional layer between the two that returns Z unchanged and adds lambda S(Z) to the loss.

    Raises:
        TypeError: if one of them is not a Keras layer.
    """

    def __init__(self, encoder, decoder, penalty=None, **kwargs):
        super().__init__(**kwargs)
        for name, part in (("encoder", encoder), ("decoder", decoder), ("penalty", penalty)):
            if not isinstance(part, layers.Layer) and not (name == "penalty" and part is None):
                raise TypeError(f"{name} must be a Keras layer or model; received {part!r}")
        self.encoder, self.decoder, self.penalty = encoder, decoder, penalty

    def call(self, images, training=None):
        code = self.encoder(images, training=training)
        if self.penalty is not None:
            code = self.penalty(code)
        return self.decoder(code, training=training)

    def encode(self, images, batch_size=1000):
        """Codes of images, as a NumPy array (n, ...)."""
        return _in_batches(self.encoder, images, batch_size)

    def decode(self, codes, batch_size=1000):
        """Images of codes, as a NumPy array (n, height, width, channels)."""
        return _in_batches(self.decoder, codes, batch_size)

    def reconstruct(self, images, batch_size=1000):
        """decode(encode(images)), as a NumPy array of the same shape."""
        return _in_batches(self, images, batch_size)

    def get_config(self):
        parts = {"encoder": self.encoder, "decoder": self.decoder, "penalty": self.penalty}
        saved = {name: part and keras.saving.serialize_keras_object(part) for name, part in parts.items()}
        return {**super().get_config(), **saved}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("encoder", "decoder", "penalty"):
            config[name] = config[name] and keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


def lecture_autoencoder(latent_dim=2):
    """The lecture's network for 28x28 digits: 784-512-128-32-2-32-128-512-784.

    A sigmoid after every layer, the code and the pixels included; no dropout, no batch normalisation.

    Args:
        latent_dim: entries of the code; the lecture takes 2.

    Returns:
        An `Autoencoder` from (n, 28, 28, 1) to (n, 28, 28, 1), already built.
    """
    shape = (28, 28, 1)
    encoder, decoder = mlp_encoder(shape, latent_dim), mlp_decoder(shape, latent_dim)
    autoencoder = Autoencoder(encoder, decoder, name="lecture_autoencoder")
    autoencoder.build((None, *shape))
    return autoencoder


def _in_batches(layer, inputs, batch_size):
    size, count = _positive(batch_size, "batch_size"), len(inputs)
    # TensorFlow cannot normalise an empty batch: a blank input stands in for none.
    inputs = inputs if count else np.zeros((1, *inputs.shape[1:]), "float32")
    # Plain calls, not `predict`: no compilation, and NumPy in, NumPy out on every backend.
    outputs = [layer(inputs[i : i + size], training=False) for i in range(0, len(inputs), size)]
    return np.concatenate([ops.convert_to_numpy(batch) for batch in outputs])[:count]


def _positive(value, name):
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a positive integer; received {value!r}")
    return int(value)


def _image_shape(shape):
    if not isinstance(shape, tuple | list) or len(shape) != 3:
        raise ValueError(f"image_shape must be (height, width, channels); received {shape!r}")
    return tuple(_sizes(shape, "image_shape"))


def _sizes(values, name):
    if not isinstance(values, tuple | list):
        raise ValueError(f"{name} must be a tuple of positive integers; received {values!r}")
    return [_positive(value, name) for value in values]


def _halvable(shape, filters):
    height, width, channels = _image_shape(shape)
    filters = _sizes(filters, "filters")
    shrink = 2 ** len(filters)
    if height % shrink or width % shrink:
        reason = f"{shrink}, because {len(filters)} filters halve them as often"
        raise ValueError(f"image_shape must have a height and width divisible by {reason}; received {tuple(shape)!r}")
    return (height, width, channels), filters
