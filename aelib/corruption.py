"""Degradations of images as pure functions, for test sets and comparisons; for training see the noise layers.

Each takes images (n, height, width, channels) in [0, 1] and returns images in [0, 1], float32. NumPy draws the
random numbers from a seed, an integer from 0 to 2**32 - 1, so they are the same on every Keras backend.
"""

import numpy as np
from numpy.typing import ArrayLike
from skimage.color import rgb2gray
from skimage.transform import resize

from aelib import _deprecated, _validation

# The order of scikit-image's spline interpolation.
UPSAMPLINGS = {"nearest": 0, "bilinear": 1, "bicubic": 3}

_LAYERS = {"Gaussian": "ClippedGaussianNoise", "Masking": "MaskingNoise", "SaltAndPepper": "SaltAndPepperNoise"}
__getattr__ = _deprecated.renamed_names(
    __name__,
    {old: f"aelib.layers.noise.{old}" for old in _LAYERS},
    instead={old: f"aelib.layers.{new}" for old, new in _LAYERS.items()},
)


@_deprecated.renamed_arguments(sigma="stddev")
def gaussian(images: ArrayLike, stddev: float = 0.5, *, seed: int = 0) -> np.ndarray:
    """Add independent Gaussian noise to every pixel and clip to [0, 1].

    Clipping is part of the degradation, as in a camera: at the ends of the range, half of the noise is cut off.

    Args:
        images: (n, height, width, channels) in [0, 1].
        stddev: standard deviation of the noise before clipping, for images in [0, 1]; 0 or more.
        seed: integer.

    Raises:
        ValueError: for images of another shape or range, a negative stddev or an invalid seed.
    """
    images, random = _images(images), _random(seed)
    noise = np.float32(_validation.number(stddev, "stddev")) * random.standard_normal(images.shape, dtype="float32")
    return np.clip(images + noise, 0, 1)


def masking(images: ArrayLike, probability: float = 0.5, *, seed: int = 0) -> np.ndarray:
    """Set pixels to 0, each with the given probability, all channels of a pixel together (Vincent et al. 2008).

    The other pixels keep their values; dropout would divide them by 1 - probability.

    Args:
        images: (n, height, width, channels) in [0, 1].
        probability: that a pixel is set to 0, in [0, 1].
        seed: integer.

    Raises:
        ValueError: for images of another shape or range, an invalid probability or seed.
    """
    images, drawn, probability = _drawn_per_pixel(images, probability, seed)
    return np.where(drawn < probability, np.float32(0), images)


def salt_and_pepper(images: ArrayLike, probability: float = 0.5, *, seed: int = 0) -> np.ndarray:
    """Set pixels to 0 or to 1, with half of the given probability each, all channels of a pixel together.

    Args:
        images: (n, height, width, channels) in [0, 1].
        probability: that a pixel is replaced, in [0, 1].
        seed: integer.

    Raises:
        ValueError: for images of another shape or range, an invalid probability or seed.
    """
    images, drawn, probability = _drawn_per_pixel(images, probability, seed)
    salted = np.where(drawn < probability, np.float32(1), images)
    return np.where(drawn < probability / 2, np.float32(0), salted)


def downsample(images: ArrayLike, factor: int = 2, upsampling: str | None = None) -> np.ndarray:
    """Average blocks of factor x factor pixels; then, if `upsampling` is given, enlarge to the original size.

    Args:
        images: (n, height, width, channels) in [0, 1].
        factor: positive integer that divides height and width.
        upsampling: None returns the small images. "nearest" repeats pixels; "bilinear" and "bicubic" put a spline of
            order 1 or 3 through their centers, as scikit-image's `resize` does, and clip it.

    Returns:
        An array (n, height / factor, width / factor, channels) or, if enlarged, of the original shape.

    Raises:
        ValueError: for images of another shape or range, a factor that does not divide them, or an unknown upsampling.
    """
    images, factor = _images(images), _validation.integer(factor, "factor")
    n, height, width, channels = images.shape
    if height % factor or width % factor:
        raise ValueError(f"factor must divide height and width, {height} and {width}; received {factor!r}")
    if upsampling is not None and upsampling not in UPSAMPLINGS:
        raise ValueError(f"upsampling must be None or one of {', '.join(UPSAMPLINGS)}; received {upsampling!r}")
    blocks = images.reshape(n, height // factor, factor, width // factor, factor, channels)
    small = blocks.mean(axis=(2, 4), dtype="float32")
    if upsampling is None:
        return small
    rows, columns = (_interpolation(size, factor, upsampling) for size in small.shape[1:3])
    return np.clip(np.einsum("yr,xc,nrck->nyxk", rows, columns, small, optimize=True), 0, 1)


def grayscale(images: ArrayLike) -> np.ndarray:
    """Return the luminance of RGB images by the weights of ITU-R BT.709, from scikit-image.

    Args:
        images: (n, height, width, 3) in [0, 1].

    Returns:
        An array (n, height, width, 1) in [0, 1].

    Raises:
        ValueError: for images of another shape or range.
    """
    images = _validation.images(images, channels=(3,), allow_empty=True)
    return np.clip(rgb2gray(images), 0, 1).astype("float32")[..., None]


def _drawn_per_pixel(images, probability, seed):
    images, random = _images(images), _random(seed)
    drawn = random.random((*images.shape[:3], 1), dtype="float32")
    return images, drawn, _validation.number(probability, "probability", 0, 1)


def _interpolation(size, factor, upsampling):
    # Resizing unit vectors gives scikit-image's matrix for one axis; resizing image by image would take seconds.
    units = np.eye(size, dtype="float32")
    order = UPSAMPLINGS[upsampling]
    return resize(units, (factor * size, size), order, mode="edge", anti_aliasing=False, clip=False)


def _images(images):
    return _validation.images(images, allow_empty=True)


def _random(seed):
    return np.random.default_rng(_validation.seed(seed))
