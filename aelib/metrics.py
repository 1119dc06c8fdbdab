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


def feature_density(codes: ArrayLike, threshold: float = 0.0) -> np.ndarray:
    """Return for each unit the fraction of codes, shape (n, ..., units), in which its size is above the threshold.

    Returns:
        (units,) in [0, 1]; 0 for a dead unit. With a threshold of 0 they add up to the mean L0.
    """
    codes = _validation.numeric(codes, "codes", "float64")
    return np.mean(np.abs(codes).reshape(-1, codes.shape[-1]) > threshold, axis=0)


def mean_max_cosine(features: ArrayLike, atoms: ArrayLike) -> float:
    """Return how well directions are found: the mean over features of the largest cosine with one of the atoms.

    1 if every feature is an atom up to its length. Random atoms do not score 0: the more of them, the higher. The sign
    counts, since the features of a nonnegative code have one (Sharkey, Braun and Millidge 2022).

    Args:
        features: (n, dimensions), the true directions; none may be zero.
        atoms: (m, dimensions), such as `Dictionary.atoms` or `pca.components_`; none may be zero.

    Raises:
        ValueError: for arrays that are not matrices of the same number of columns, or rows of length 0.
    """
    return float(max_cosines(features, atoms).mean())


def max_cosines(features: ArrayLike, atoms: ArrayLike) -> np.ndarray:
    """Return for each feature the largest cosine with one of the atoms, (n,); it takes what `mean_max_cosine` takes."""
    features, atoms = _directions(features, "features"), _directions(atoms, "atoms")
    if features.shape[1] != atoms.shape[1]:
        raise ValueError(f"atoms must have {features.shape[1]} columns, as features; received shape {atoms.shape}")
    return (features @ atoms.T).max(axis=1)


def loss_recovered(loss: float, replaced_loss: float, ablated_loss: float) -> float:
    """Return how much of the loss that an ablation adds is recovered: (ablated - replaced) / (ablated - loss).

    1 if the network is as good with one layer's activations replaced by reconstructions as with the original ones, 0 if
    it is no better than with all of them replaced by a constant: their mean or, as often for language models (Bricken
    et al. 2023), zero. Say which: zero usually harms more, which makes the same reconstructions look better.

    Args:
        loss: of the network as it is.
        replaced_loss: with one layer's activations replaced by their reconstructions.
        ablated_loss: with them replaced by a constant; must exceed `loss`.

    Raises:
        ValueError: for a loss that is not a finite number, or an ablated loss that does not exceed `loss`.
    """
    loss = _validation.number(loss, "loss", -np.inf)
    replaced_loss = _validation.number(replaced_loss, "replaced_loss", -np.inf)
    ablated_loss = _validation.number(ablated_loss, "ablated_loss", -np.inf)
    if not ablated_loss > loss:
        raise ValueError(f"ablated_loss must exceed loss, {loss:g}; received {ablated_loss:g}")
    return (ablated_loss - replaced_loss) / (ablated_loss - loss)


def _directions(values, name):
    values = _validation.numeric(values, name, "float64", finite=True)
    if values.ndim != 2 or not (lengths := np.linalg.norm(values, axis=1)).all():
        raise ValueError(f"{name} must have shape (n, dimensions) and no row of zeros; received shape {values.shape}")
    return values / lengths[:, None]


def _images(y_true, y_pred):
    y_true = _validation.images(y_true, "y_true", dtype="float64")
    y_pred = _validation.images(y_pred, "y_pred", limits=_validation.OVERSHOOT, dtype="float64")
    return _validation.pair(y_true, y_pred)
