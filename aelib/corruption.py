"""Images (n, height, width, channels) in [0, 1] go in; the same images degraded, still in [0, 1], come out.

The functions degrade once, from a seed: for test sets and comparisons. The layers degrade anew each time they are
called in training and do nothing otherwise: for training, without a second data set in memory.
"""

import keras
import numpy as np
from keras import layers, ops
from skimage.color import rgb2gray
from skimage.transform import resize

# The order of scikit-image's spline through the centres of the small pixels.
UPSAMPLINGS = {"nearest": 0, "bilinear": 1, "bicubic": 3}


def gaussian(images, sigma=0.5, *, seed=0):
    """Adds independent Gaussian noise to every pixel and clips to [0, 1].

    Clipping is part of the degradation, as in a camera: at the ends of the range, half of the noise is cut off.

    Args:
        images: (n, height, width, channels) in [0, 1].
        sigma: standard deviation of the noise before clipping, in units of the range; 0 or more.
        seed: integer; the draw is NumPy's, so every Keras backend gets the same numbers.

    Returns:
        float32 array of the same shape, in [0, 1].

    Raises:
        ValueError: for images that are not four-dimensional or leave [0, 1], a negative sigma or a bad seed.
    """
    images, random = _images(images), _random(seed)
    noise = _sigma(sigma) * random.standard_normal(images.shape, dtype="float32")
    return np.clip(images + noise, 0, 1)


def masking(images, probability=0.5, *, seed=0):
    """Sets pixels to 0, each with the given probability; all channels of a pixel together.

    The other pixels keep their values (dropout would divide them by 1 - probability): Vincent et al. 2008.

    Args:
        images: (n, height, width, channels) in [0, 1].
        probability: of a pixel to be lost, in [0, 1].
        seed: integer; the draw is NumPy's.

    Returns:
        float32 array of the same shape.

    Raises:
        ValueError: for images that are not four-dimensional or leave [0, 1], a bad probability or a bad seed.
    """
    images, random = _images(images), _random(seed)
    lost = random.random((*images.shape[:3], 1), dtype="float32") < _probability(probability)
    return np.where(lost, np.float32(0), images)


def salt_and_pepper(images, probability=0.5, *, seed=0):
    """Sets pixels to 0 or to 1, with half of the given probability each; all channels of a pixel together.

    Args:
        images: (n, height, width, channels) in [0, 1].
        probability: of a pixel to be replaced, in [0, 1].
        seed: integer; the draw is NumPy's.

    Returns:
        float32 array of the same shape.

    Raises:
        ValueError: for images that are not four-dimensional or leave [0, 1], a bad probability or a bad seed.
    """
    images, random = _images(images), _random(seed)
    drawn = random.random((*images.shape[:3], 1), dtype="float32")
    probability = _probability(probability)
    salted = np.where(drawn < probability, np.float32(1), images)
    return np.where(drawn < probability / 2, np.float32(0), salted)


def downsample(images, factor=2, upsampling=None):
    """Averages blocks of factor x factor pixels; then, if asked to, enlarges to the old size.

    Args:
        images: (n, height, width, channels) in [0, 1].
        factor: integer of 1 or more that divides height and width.
        upsampling: None returns the small images. "nearest" repeats pixels, "bilinear" and "bicubic" put a spline of
            order 1 or 3 through their centres, as scikit-image's `resize` does, and clip it.

    Returns:
        float32 array, (n, height / factor, width / factor, channels) or, enlarged, of the old shape.

    Raises:
        ValueError: for images that are not four-dimensional or leave [0, 1], or arguments that are none of these.
    """
    images = _images(images)
    n, height, width, channels = images.shape
    if not _is_number(factor, int | np.integer) or factor < 1 or height % factor or width % factor:
        allowed = f"a positive integer that divides height and width, {height} and {width}"
        raise ValueError(f"factor must be {allowed}; received {factor!r}")
    if upsampling is not None and upsampling not in UPSAMPLINGS:
        raise ValueError(f"upsampling must be None or one of {', '.join(UPSAMPLINGS)}; received {upsampling!r}")
    blocks = images.reshape(n, height // factor, factor, width // factor, factor, channels)
    small = blocks.mean(axis=(2, 4), dtype="float32")
    if upsampling is None:
        return small
    rows, columns = (_interpolation(size, factor, upsampling) for size in small.shape[1:3])
    return np.clip(np.einsum("yr,xc,nrck->nyxk", rows, columns, small, optimize=True), 0, 1)


def grayscale(images):
    """Luminance of RGB images by the weights of ITU-R BT.709, from scikit-image.

    Args:
        images: (n, height, width, 3) in [0, 1].

    Returns:
        float32 array (n, height, width, 1) in [0, 1].

    Raises:
        ValueError: for images that are not four-dimensional, do not have three channels or leave [0, 1].
    """
    images = _images(images)
    if images.shape[3] != 3:
        raise ValueError(f"images must have 3 channels, red, green and blue; received shape {images.shape}")
    return np.clip(rgb2gray(images), 0, 1).astype("float32")[..., None]


class _Fresh(layers.Layer):
    """Degrades what passes through it in training, anew each time; passes it on unchanged otherwise."""

    def __init__(self, amount, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.amount, self.seed = amount, seed
        # Its state is a variable of the model: `training.fit` sets it from the seed of the training.
        self.draws = keras.random.SeedGenerator(seed)
        # TensorFlow's XLA takes four times as long to draw as to train: such a model is better left to its kernels.
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def call(self, images, training=False):
        return self.degrade(images) if training else images

    def degrade(self, images):
        raise NotImplementedError

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), self.argument: self.amount, "seed": self.seed}

    def _uniform(self, images):
        return keras.random.uniform((*ops.shape(images)[:3], 1), dtype=images.dtype, seed=self.draws)


@keras.saving.register_keras_serializable("aelib")
class Gaussian(_Fresh):
    """`gaussian` as a layer: fresh noise for every image of every batch in training, nothing otherwise.

    Put it in front of an encoder and train with `fit(images, images)`: the network sees degraded images, the loss
    compares with the clean ones, and no noisy set is kept. Outside training it passes its input on unchanged, so
    an image to be restored is given noisy, and a test set must be degraded beforehand by the function.
    Each backend draws numbers of its own; the same seed repeats them on the same backend.

    Args:
        sigma: standard deviation before clipping; 0 or more.
        seed: integer or None; `training.fit` sets the state from its own seed.

    Raises:
        ValueError: for a negative sigma.
    """

    argument = "sigma"

    def __init__(self, sigma=0.5, seed=None, **kwargs):
        super().__init__(_sigma(sigma), seed, **kwargs)

    def degrade(self, images):
        noise = keras.random.normal(ops.shape(images), stddev=self.amount, dtype=images.dtype, seed=self.draws)
        return ops.clip(images + noise, 0, 1)


@keras.saving.register_keras_serializable("aelib")
class Masking(_Fresh):
    """`masking` as a layer, in the way of `Gaussian`: pixels lost anew in training, nothing otherwise.

    Args:
        probability: of a pixel to be lost, in [0, 1].
        seed: integer or None.

    Raises:
        ValueError: for a probability outside [0, 1].
    """

    argument = "probability"

    def __init__(self, probability=0.5, seed=None, **kwargs):
        super().__init__(_probability(probability), seed, **kwargs)

    def degrade(self, images):
        return ops.where(self._uniform(images) < self.amount, 0.0, images)


@keras.saving.register_keras_serializable("aelib")
class SaltAndPepper(Masking):
    """`salt_and_pepper` as a layer, in the way of `Gaussian`; arguments and errors as `Masking`."""

    def degrade(self, images):
        drawn = self._uniform(images)
        return ops.where(drawn < self.amount / 2, 0.0, ops.where(drawn < self.amount, 1.0, images))


def _interpolation(size, factor, upsampling):
    # What scikit-image makes of unit vectors is its matrix along one axis: an image at a time it takes seconds.
    units = np.eye(size, dtype="float32")
    order = UPSAMPLINGS[upsampling]
    return resize(units, (factor * size, size), order, mode="edge", anti_aliasing=False, clip=False)


def _images(images):
    images = np.asarray(images, "float32")
    if images.ndim != 4:
        raise ValueError(f"images must have shape (n, height, width, channels); received {images.shape}")
    # Written so that NaN is refused too.
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"images must lie in [0, 1]; received values from {images.min()} to {images.max()}")
    return images


def _random(seed):
    if not _is_number(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be an integer of 0 or more; received {seed!r}")
    return np.random.default_rng(seed)


def _sigma(sigma):
    if not _is_number(sigma) or not 0 <= sigma < np.inf:
        raise ValueError(f"sigma must be a number of 0 or more; received {sigma!r}")
    return float(sigma)


def _probability(probability):
    if not _is_number(probability) or not 0 <= probability <= 1:
        raise ValueError(f"probability must be in [0, 1]; received {probability!r}")
    return float(probability)


def _is_number(value, kinds=int | float | np.integer | np.floating):
    return isinstance(value, kinds) and not isinstance(value, bool)
