"""The name of an image set comes in; its images leave: float32, NHWC, in [0, 1], split and verified.

    from aelib.data import load
    images = load("mnist-5k")
    images.train.shape  # (3500, 28, 28, 1)

The modules behind it: `files` proves what a file holds, `download` fetches what is not there, `patches` cuts
pictures.
"""

import os
from dataclasses import dataclass

import numpy as np

from aelib._paths import repository_file
from aelib.data import download, files, patches
from aelib.data.files import FULL_SETS, DataError
from aelib.data.patches import PICTURES, cut_patches, pictures

__all__ = ["NAMES", "PICTURES", "DataError", "Images", "cut_patches", "describe", "fetch", "load", "pictures"]

NAMES = ("mnist-5k", "mnist", "fashion-mnist", "cifar10", "natural-patches", "natural-patches-rgb")
VALIDATION_COUNT = 5_000
MNIST_5K_COUNTS = {"train": 3_500, "val": 500, "test": 1_000}
MNIST_5K_DIGEST = "f12ee78197b6c946d4ab978f980731fd5ce3e0114adb073274ca8c532d540ffd"
PATCHES = {
    "natural-patches": {"size": 10, "counts": (20_000, 2_000, 5_000), "gray": True},
    "natural-patches-rgb": {"size": 16, "counts": (8_000, 1_000, 2_000), "gray": False},
}


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """A set of images in three splits.

    Attributes:
        train, val, test: float32 (count, height, width, channels) with values in [0, 1]. `val` is for
            choosing, `test` for the final figure and used nowhere else.
        train_labels, val_labels, test_labels: int64 (count,).
        name: the name it was loaded by.
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


def load(name="mnist-5k", *, seed=0):
    """Load a set of images.

    Args:
        name: one of `NAMES`.
            mnist-5k: 3,500 / 500 / 1,000 digits, 350 / 50 / 100 of each class. Part of the repository; needs
                no network. The split is fixed.
            mnist, fashion-mnist: 55,000 / 5,000 / 10,000 images, 28x28x1.
            cifar10: 45,000 / 5,000 / 10,000 images, 32x32x3.
                These three are kept as NAME.npz in $AELIB_DATA (without it, in the repository's data/ or, where
                aelib was installed from a wheel, in the user's cache folder), and downloaded by Keras if they
                are not there. Test is the published test set. Images are sorted by their
                digests before anything else, so that no split and no order depends on the file's order.
            natural-patches: 20,000 / 2,000 / 5,000 gray patches, 10x10x1, cut from photographs.
            natural-patches-rgb: 8,000 / 1,000 / 2,000 patches, 16x16x3.
                Train comes from the upper seven eighths and val from the lowest eighth of astronaut, coffee,
                rocket, china and motorcycle, so they share no pixel; test comes from chelsea and flower. A
                label is the index of the picture in `PICTURES`. The mean of a patch is left in it.
        seed: integer from 0 to 2**32 - 1. For a full set it draws the 5,000 validation images and the order
            of the others; for patches, the places of train and val. Test is the same for every seed, and so
            is all of mnist-5k.

    Returns:
        Images.

    Raises:
        ValueError: an unknown name, or a seed that is none.
        DataError: a ValueError too; the set is neither there nor to be had, or its file is not what it should
            be. Shapes, types and content are checked before every use: mnist against a digest in the code;
            fashion-mnist and cifar10 against the digest that was stored in the file when its sources had
            passed their published checksums. So damage is always found, but a fashion-mnist.npz or
            cifar10.npz that somebody made up, digest included, would be believed.
    """
    _check_name(name)
    seed = files.check_integer("seed", seed, 0, files.LARGEST_SEED)
    if name in PATCHES:
        return _images(name, patches.natural_patches(**PATCHES[name], seed=seed))
    if name == "mnist-5k":
        arrays = _read_mnist_5k()
        return _images(name, {split: (arrays[f"x_{split}"], arrays[f"y_{split}"]) for split in MNIST_5K_COUNTS})
    _fetch_if_missing(name)
    arrays, order = _read_full(name)
    x, y = arrays["x_train"], arrays["y_train"]
    drawn = order["train"][np.random.default_rng(seed).permutation(len(x))]
    val, train, test = drawn[:VALIDATION_COUNT], drawn[VALIDATION_COUNT:], order["test"]
    splits = {"train": (x[train], y[train]), "val": (x[val], y[val])}
    return _images(name, splits | {"test": (arrays["x_test"][test], arrays["y_test"][test])})


def fetch(name):
    """Have a set at hand and verified, downloaded if it was not there; returns the line of `describe`.

    Raises:
        ValueError, DataError: as `load`.
    """
    _check_name(name)
    if name in FULL_SETS:
        _fetch_if_missing(name)
        _read_full(name)
    elif name == "mnist-5k":
        _read_mnist_5k()
    else:
        pictures()
    return describe(name)


def describe(name):
    """One line about a set: name, images in train / val / test, their shape, state and place.

    Downloads nothing; what is there is verified (half a second for a full set). A bad file is no exception
    here: the line says "refused" and why.
    """
    _check_name(name)
    try:
        if name in PATCHES:
            size, channels = PATCHES[name]["size"], 1 if PATCHES[name]["gray"] else 3
            counts, shape = PATCHES[name]["counts"], (size, size, channels)
            state = "cut from the pictures in scikit-image and scikit-learn"
        elif name == "mnist-5k":
            counts, shape = MNIST_5K_COUNTS.values(), (28, 28, 1)
            _read_mnist_5k()
            state = f"verified  {_mnist_5k_path()}"
        else:
            spec = FULL_SETS[name]
            counts = (spec.train[0] - VALIDATION_COUNT, VALIDATION_COUNT, spec.test[0])
            shape = (*spec.train[1:], 1)[:3]
            state = f"not fetched yet (about {spec.megabytes} MB)"
            if os.path.lexists(_full_path(name)):
                _read_full(name)
                state = f"verified  {_full_path(name)}"
    except DataError as error:
        state = f"refused  {error}"
    return f"{name:<20} {' / '.join(f'{c:,}' for c in counts):<24} {'x'.join(map(str, shape)):<8} {state}"


def _mnist_5k_path():
    return repository_file("data/mnist_5k.npz")


def _read_mnist_5k():
    shapes = {f"x_{split}": (count, 28, 28) for split, count in MNIST_5K_COUNTS.items()}
    shapes |= {f"y_{split}": (count,) for split, count in MNIST_5K_COUNTS.items()}
    remedy = "it comes with aelib: restore it with `git checkout -- data/mnist_5k.npz`, or install aelib anew"
    return files.read(_mnist_5k_path(), shapes, MNIST_5K_DIGEST, remedy)[0]


def _full_path(name):
    return files.folder() / f"{name}.npz"


def _fetch_if_missing(name):
    # lexists, not exists: a broken link is something of the user's too, and not to be replaced.
    if not os.path.lexists(_full_path(name)):
        download.fetch(name, _full_path(name))


def _read_full(name):
    path, spec = _full_path(name), FULL_SETS[name]
    remedy = (
        "move it away so that it is fetched again, or set AELIB_DATA to a folder with a good one, "
        "or use mnist-5k, which needs no network"
    )
    return files.read(path, spec.shapes, spec.digest, remedy)


def _images(name, splits):
    arrays = {}
    for split, (images, labels) in splits.items():
        if images.dtype == np.uint8:
            images = np.divide(images, 255, dtype=np.float32)
        arrays[split] = images if images.ndim == 4 else images[..., None]
        arrays[f"{split}_labels"] = labels.astype(np.int64)
    return Images(**arrays, name=name)


def _check_name(name):
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}; received {name!r}")
