"""Numbers about images and codes: arrays in, floats out, none with a penalty inside."""

import numpy as np
from skimage.metrics import structural_similarity


def mse(images, reconstruction):
    """Mean squared error: the mean over pixels and images, as the Keras loss `mse`.

    Times the number of pixels it is the lecture's ||X-hat - X||^2, summed over pixels and averaged over images.

    Args:
        images: (n, height, width, channels).
        reconstruction: the same shape.

    Raises:
        ValueError: for shapes that differ (NumPy would silently broadcast them) or no images.
    """
    images, reconstruction = _pair(images, reconstruction)
    return float(np.mean((images - reconstruction) ** 2))


def mse_per_image(images, reconstruction):
    """Mean squared error of each image, shape (n,); the mean of it is `mse`."""
    images, reconstruction = _pair(images, reconstruction)
    return np.mean((images - reconstruction).reshape(len(images), -1) ** 2, axis=1)


def psnr(images, reconstruction):
    """Peak signal-to-noise ratio in decibels for images in [0, 1]: -10 log10 of the `mse` over all images.

    Papers usually report the mean of the ratios of the single images instead, which is never lower.
    """
    error = mse(images, reconstruction)
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def ssim(images, reconstruction):
    """Structural similarity (Wang et al. 2004) for images in [0, 1], averaged over images; 1 means identical.

    Computed by scikit-image in uniform windows of 7 x 7 pixels. The paper weights its windows of 11 x 11 pixels with a
    Gaussian, which gives other values.
    """
    images, reconstruction = _pair(images, reconstruction)
    if images.ndim != 4:
        raise ValueError(f"images must have shape (n, height, width, channels); received {images.shape}")
    scores = [
        structural_similarity(image, other, data_range=1.0, channel_axis=-1)
        for image, other in zip(images, reconstruction, strict=True)
    ]
    return float(np.mean(scores))


def explained_variance(data, reconstruction):
    """1 - (squared error) / (squared distance to the mean of the data): 1 is perfect, 0 the mean's own score."""
    data, reconstruction = _pair(data, reconstruction, "data")
    total = np.sum((data - data.mean(0)) ** 2)
    if not total > 0:
        raise ValueError(f"data must vary; received {len(data)} equal entries")
    return float(1 - np.sum((data - reconstruction) ** 2) / total)


def active_fraction(codes, threshold=0.0):
    """Share of the entries of codes, shape (n, ...), whose size is above the threshold; 0 counts exact zeros."""
    return float(np.mean(np.abs(_filled("codes", codes)) > threshold))


def dead_units(codes, threshold=0.0):
    """Number of units, the last axis of codes, that are above the threshold in size for not one of the samples."""
    codes = _filled("codes", codes)
    return int(np.sum(~np.any(np.abs(codes).reshape(-1, codes.shape[-1]) > threshold, axis=0)))


def _pair(images, reconstruction, name="images"):
    images, reconstruction = _filled(name, images), np.asarray(reconstruction, "float64")
    if images.shape != reconstruction.shape:
        shapes = f"{images.shape} and {reconstruction.shape}"
        raise ValueError(f"{name} and reconstruction must have the same shape; received {shapes}")
    return images, reconstruction


def _filled(name, values):
    # float64: a float32 sum over millions of pixels loses digits that a target is compared with.
    values = np.asarray(values, "float64")
    if not values.size:
        raise ValueError(f"{name} must not be empty; received shape {values.shape}")
    return values
