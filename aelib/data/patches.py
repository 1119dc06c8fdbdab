"""Pictures come in (those that scikit-image and scikit-learn ship, or yours); small square patches leave.

No network: the files lie in the installed packages. Their licences are in data/README.md.
"""

import sys

import numpy as np

from aelib.data.files import LARGEST_SEED, DataError, check_integer

TRAINING_PICTURES = ("astronaut", "coffee", "rocket", "china", "motorcycle")
TEST_PICTURES = ("chelsea", "flower")
PICTURES = TRAINING_PICTURES + TEST_PICTURES
SHAPES = {
    "astronaut": (512, 512, 3),
    "coffee": (400, 600, 3),
    "rocket": (427, 640, 3),
    "china": (427, 640, 3),
    "motorcycle": (500, 741, 3),
    "chelsea": (300, 451, 3),
    "flower": (427, 640, 3),
}
# The lowest part of every training picture is kept for validation.
VALIDATION_SHARE = 1 / 8


def pictures():
    """The named pictures, in the order of `PICTURES`.

    Returns:
        dict of float32 arrays (height, width, 3) with values in [0, 1].

    Raises:
        DataError: an installed package has no such picture any more, or another one under its name.
    """
    import skimage.data
    from sklearn.datasets import load_sample_image

    readers = {
        "astronaut": skimage.data.astronaut,
        "coffee": skimage.data.coffee,
        "rocket": skimage.data.rocket,
        "china": lambda: load_sample_image("china.jpg"),
        "motorcycle": lambda: skimage.data.stereo_motorcycle()[0],
        "chelsea": skimage.data.chelsea,
        "flower": lambda: load_sample_image("flower.jpg"),
    }
    found = {}
    for name in PICTURES:
        try:
            picture = np.asarray(readers[name]())
        except Exception as error:
            raise DataError(
                f"picture {name!r} cannot be read from the installed scikit-image or scikit-learn "
                f"({type(error).__name__}: {error}); reinstall both in the versions of requirements.txt"
            ) from error
        if (picture.shape, picture.dtype) != (SHAPES[name], np.uint8):
            raise DataError(
                f"picture {name!r} must be uint8 {SHAPES[name]}; the installed package has {picture.dtype} "
                f"{picture.shape}: install scikit-image and scikit-learn in the versions of requirements.txt"
            )
        found[name] = np.divide(picture, 255, dtype=np.float32)
    return found


def to_gray(picture):
    """Luminance of a float RGB picture (height, width, 3), as (height, width, 1) float32 in [0, 1]."""
    from skimage.color import rgb2gray

    return np.clip(rgb2gray(picture), 0, 1).astype(np.float32)[..., None]


def cut_patches(pictures, size, count, seed):
    """Cut square patches at places drawn at random, none twice, as many from one picture as from another.

    Args:
        pictures: list of pictures, (height, width) or (height, width, channels) each, all with the same
            channels; or a dict such as `pictures()` returns. To keep regions apart, pass regions:
            `picture[:, :300]`.
        size: height and width of a patch in pixels.
        count: how many patches in all; if it cannot be shared equally, the first pictures give one more.
        seed: integer; the same seed gives the same patches.

    Returns:
        (patches, labels): the patches in mixed order, (count, size, size, channels), with the values and the
        type of the pictures; and for every patch the index of its picture, int64.

    Raises:
        ValueError: the size is larger than a picture, or a picture has fewer places than are asked for.
    """
    pictures = list(pictures.values() if isinstance(pictures, dict) else pictures)
    pictures = [picture[..., None] if picture.ndim == 2 else picture for picture in map(np.asarray, pictures)]
    if not pictures or any(p.ndim != 3 or p.shape[2] != pictures[0].shape[2] for p in pictures):
        raise ValueError(
            "pictures must be one or more arrays (height, width) or (height, width, channels), all with the "
            f"same channels; received shapes {[picture.shape for picture in pictures]}"
        )
    size = check_integer("size", size, 1, min(min(picture.shape[:2]) for picture in pictures))
    count = check_integer("count", count, 0, sys.maxsize)
    rng = np.random.default_rng(check_integer("seed", seed, 0, LARGEST_SEED))
    cuts, labels = [], []
    for index, picture in enumerate(pictures):
        share = count // len(pictures) + (index < count % len(pictures))
        height, width = picture.shape[0] - size + 1, picture.shape[1] - size + 1
        if share > height * width:
            raise ValueError(
                f"count must leave every picture enough places; received {count}, {share} from "
                f"picture {index}, which has {height * width}"
            )
        rows, columns = np.divmod(rng.choice(height * width, share, replace=False), width)
        windows = np.lib.stride_tricks.sliding_window_view(picture, (size, size), axis=(0, 1))
        cuts.append(np.moveaxis(windows[rows, columns], 1, -1))
        labels.append(np.full(share, index, np.int64))
    order = rng.permutation(count)
    return np.concatenate(cuts)[order], np.concatenate(labels)[order]


def natural_patches(size, counts, gray, seed):
    """Patches for training, validation and test; see `aelib.data.load`.

    Args:
        size: height and width of a patch.
        counts: how many patches for train, val and test.
        gray: whether to cut from luminance rather than RGB.
        seed: draws the places for train and val; those for test are always the same.

    Returns:
        dict from split to (patches, labels); a label is an index into `PICTURES`.
    """
    found = pictures()
    if gray:
        found = {name: to_gray(picture) for name, picture in found.items()}
    above, below = [], []
    for name in TRAINING_PICTURES:
        border = round(len(found[name]) * (1 - VALIDATION_SHARE))
        above.append(found[name][:border])
        below.append(found[name][border:])
    test, test_labels = cut_patches([found[name] for name in TEST_PICTURES], size, counts[2], 0)
    return {
        "train": cut_patches(above, size, counts[0], seed),
        "val": cut_patches(below, size, counts[1], seed),
        "test": (test, test_labels + len(TRAINING_PICTURES)),
    }
