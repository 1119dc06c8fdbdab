"""Load sets of images by name, verified, or from a folder: float32, NHWC, in [0, 1], split into train, val and test.

    from aelib.data import load
    images = load("mnist-5k")
    images.train.shape  # (3500, 28, 28, 1)

`files` reads and checks the files, `download` fetches those that are missing, `patches` cuts patches from photographs,
`folder` reads the user's pictures.
"""

import os
from dataclasses import dataclass

import numpy as np

from aelib import _validation
from aelib.data import download, files, folder, patches
from aelib.data.files import FULL_SETS, SETS, DataError
from aelib.data.patches import PICTURES, cut_patches, pictures

__all__ = ["NAMES", "PICTURES", "DataError", "Images", "cut_patches", "describe", "fetch", "load", "pictures"]

NAMES = tuple(SETS)
PATCHES = ("natural-patches", "natural-patches-rgb")


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """A set of images in three splits.

    Attributes:
        train, val, test: float32 (n, height, width, channels) with values in [0, 1]. `val` is for choosing settings,
            `test` only for the final result.
        train_labels, val_labels, test_labels: int64 (n,).
        name: the name passed to `load`, or "folder", so that no path appears in what is published.
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray
    val_labels: np.ndarray
    test_labels: np.ndarray
    name: str

    def __repr__(self):
        return f"Images({self.name}: train {self.train.shape}, val {self.val.shape}, test {self.test.shape})"


def load(
    name: str | os.PathLike[str] = "mnist-5k", *, seed: int = 0, size: int | None = None, channels: int | None = None
) -> Images:
    """Load a set of images.

    Args:
        name: one of `NAMES`, or the path of a folder of pictures.
            data/README.md has the sizes and sources of the named sets. mnist-5k, 5,000 digits, is part of aelib. mnist,
            fashion-mnist and cifar10 are kept as NAME.npz in $AELIB_DATA (without it, in the repository's data/ or,
            where aelib was installed from a wheel, in the user's cache folder) and downloaded if missing; their test
            images are the published ones. natural-patches (gray) and natural-patches-rgb are cut from photographs, test
            from other photographs than train and val; a label is an index into `PICTURES`.
            From every picture in a folder (PNG, JPEG, WebP, AVIF, BMP, TIFF, GIF), the square in the center is taken
            and brought to one size, and of identical images only the first is kept. If the folder has subfolders with
            pictures, these are the classes: a label is the index of the subfolder, sorted by name. Otherwise it is 0.
        seed: integer from 0 to 2**32 - 1. It determines the validation images and the order of the training images of
            the downloaded sets, the positions of the patches in train and val, and the split of a folder: 70 % train,
            10 % val, 20 % test, at least one each. The test images of the named sets and all of mnist-5k are the same
            for every seed. Nothing depends on the order of the images in a file, or in which a folder lists its files.
        size: height and width of the images from a folder in pixels, at most 512; 32 by default.
        channels: of the images from a folder: 3 for RGB, the default, or 1 for gray (`aelib.corruption.grayscale`).

    Returns:
        The images in three splits, with their labels.

    Raises:
        ValueError: an unknown name, an invalid seed, or a size or channels of a named set.
        DataError: a subclass of ValueError; the set is missing and cannot be downloaded, or its file does not have the
            expected content, which is checked every time; or the folder does not exist, has fewer than three different
            pictures, or has one that cannot be read.
    """
    seed = _validation.seed(seed)
    if _is_folder(name):
        return _images("folder", folder.split_images(name, seed, size, channels))
    name = _checked(name)
    if (size, channels) != (None, None):
        received = f"received size={size!r}, channels={channels!r} for {name}, whose images are {SETS[name].shape}"
        raise ValueError(f"size and channels must be omitted unless name is a folder; {received}")
    if name in PATCHES:
        splits = patches.natural_patches(SETS[name], seed)
    else:
        download.fetch_missing(name)
        arrays = files.read(name)
        if name in FULL_SETS:
            x, y, val_count = arrays["x_train"], arrays["y_train"], SETS[name].counts[1]
            val, train = np.split(np.random.default_rng(seed).permutation(len(x)), [val_count])
            arrays |= {"x_train": x[train], "y_train": y[train], "x_val": x[val], "y_val": y[val]}
        splits = {split: (arrays[f"x_{split}"], arrays[f"y_{split}"]) for split in ("train", "val", "test")}
    return _images(name, {split: (x.reshape(-1, *SETS[name].shape), y) for split, (x, y) in splits.items()})


def fetch(name: str) -> str:
    """Download a set if it is missing, load it once, and return the line of `describe`; raise what `load` raises."""
    load(_checked(name))
    return describe(name)


def describe(name: str) -> str:
    """Return one line about a set: name, number of images in train / val / test, shape, and state.

    Nothing is downloaded. An existing file is verified; if it cannot be used, the line says "refused" and why.
    """
    _checked(name)
    counts = " / ".join(f"{count:,}" for count in SETS[name].counts)
    try:
        if name in PATCHES:
            state = "cut from the pictures in scikit-image and scikit-learn"
        elif name in FULL_SETS and not os.path.lexists(files.path(name)):
            state = f"not fetched yet (about {SETS[name].megabytes} MB)"
        else:
            files.read(name)
            state = f"verified  {files.path(name)}"
    except DataError as error:
        state = f"refused  {error}"
    return f"{name:<20} {counts:<24} {'x'.join(map(str, SETS[name].shape)):<8} {state}"


def _images(name, splits):
    fields: dict[str, np.ndarray] = {}
    for split, (x, y) in splits.items():
        x = np.divide(x, 255, dtype=np.float32) if x.dtype == np.uint8 else x
        fields |= {split: x, f"{split}_labels": y.astype(np.int64)}
    return Images(**fields, name=name)


def _is_folder(name):
    if isinstance(name, str) and name not in NAMES:
        return os.sep in name or "/" in name or os.path.isdir(name)
    return isinstance(name, os.PathLike)


def _checked(name: str | os.PathLike[str]) -> str:
    """Return the name of a set, after checking that there is one of that name."""
    if not isinstance(name, str) or name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}; received {name!r}")
    return name
