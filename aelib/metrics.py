"""Metrics of images and codes, computed from arrays; none includes a penalty."""

import numpy as np
from numpy.typing import ArrayLike
from skimage.metrics import structural_similarity

from aelib import _validation
from aelib._deprecated import renamed_arguments

_renamed = renamed_arguments(images="y_true", data="y_true", reconstruction="y_pred")


@_renamed
def mse(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the mean squared error over pixels and images, like the Keras loss `mse`.

    Multiplied by the number of pixels it is the lecture's ||X-hat - X||^2, summed over pixels, averaged over images.

    Args:
        y_true: (n, ...), such as images.
        y_pred: the same shape, such as their reconstructions.

    Raises:
        ValueError: for shapes that differ, which NumPy would broadcast, or empty arrays.
    """
    y_true, y_pred = _validation.pair(y_true, y_pred)
    return float(np.mean((y_true - y_pred) ** 2))


@_renamed
def mse_per_image(y_true: ArrayLike, y_pred: ArrayLike) -> np.ndarray:
    """Return the mean squared error of each image, shape (n,), whose mean is `mse`; it takes and raises the same."""
    y_true, y_pred = _validation.pair(y_true, y_pred)
    return np.mean((y_true - y_pred).reshape(len(y_true), -1) ** 2, axis=1)


@_renamed
def psnr(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the peak signal-to-noise ratio in decibels: -10 log10 of the `mse` over all images.

    Papers usually report the mean of the ratios of the individual images instead, which is never lower.

    Args:
        y_true: (n, height, width, channels) in [0, 1].
        y_pred: the same shape; it may exceed [0, 1] slightly.

    Raises:
        ValueError: for shapes that differ, empty arrays, or another range, such as 0 to 255.
    """
    error = mse(*_images(y_true, y_pred))
    return float("inf") if error == 0 else float(-10 * np.log10(error))


@_renamed
def ssim(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the structural similarity (Wang et al. 2004), averaged over images; 1 means identical.

    Computed by scikit-image in uniform windows of 7 x 7 pixels. The paper weights its windows of 11 x 11 pixels with a
    Gaussian, which gives other values.

    Args:
        y_true: (n, height, width, channels) in [0, 1], at least 7 pixels high and wide.
        y_pred: the same shape; it may exceed [0, 1] slightly.

    Raises:
        ValueError: for shapes that differ, empty arrays, images too small, or another range, such as 0 to 255.
    """
    y_true, y_pred = _images(y_true, y_pred)
    if min(y_true.shape[1:3]) < 7:
        raise ValueError(f"y_true must be at least 7 pixels high and wide; received shape {y_true.shape}")
    scores = [
        structural_similarity(image, other, data_range=1.0, channel_axis=-1)
        for image, other in zip(y_true, y_pred, strict=True)
    ]
    return float(np.mean(scores))


@_renamed
def explained_variance(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return 1 - (squared error) / (squared distance to the mean of y_true): 1 if perfect, 0 if y_pred is the mean.

    Args:
        y_true: (n, ...); it must vary between samples.
        y_pred: the same shape.

    Raises:
        ValueError: for shapes that differ, empty arrays, values that are not finite, or samples that are all equal.
    """
    y_true = _validation.numeric(y_true, "y_true", "float64", finite=True)
    y_true, y_pred = _validation.pair(y_true, y_pred)
    total = np.sum((y_true - y_true.mean(0)) ** 2)
    if not total > 0:
        raise ValueError(f"y_true must vary; received {len(y_true)} equal entries")
    return float(1 - np.sum((y_true - y_pred) ** 2) / total)


def active_fraction(codes: ArrayLike, threshold: float = 0.0) -> float:
    """Return the fraction of the entries of codes, shape (n, ...), whose absolute value is above the threshold."""
    return float(np.mean(np.abs(_validation.numeric(codes, "codes", "float64")) > threshold))


def dead_units(codes: ArrayLike, threshold: float = 0.0) -> int:
    """Return the number of units (the last axis of codes) whose absolute value is never above the threshold."""
    codes = _validation.numeric(codes, "codes", "float64")
    return int(np.sum(~np.any(np.abs(codes).reshape(-1, codes.shape[-1]) > threshold, axis=0)))


def _images(y_true, y_pred):
    y_true = _validation.images(y_true, "y_true", dtype="float64")
    y_pred = _validation.images(y_pred, "y_pred", limits=_validation.OVERSHOOT, dtype="float64")
    return _validation.pair(y_true, y_pred)
