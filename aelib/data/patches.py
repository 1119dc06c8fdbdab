"""Cut small square patches from photographs: those that scikit-image and scikit-learn ship, or any others.

No network is needed: the photographs are part of the installed packages. Their licenses are in data/README.md.
"""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from aelib import _validation
from aelib.data.files import DataError, ImageSet
from aelib.data.folder import own_pictures

PICTURES = ("astronaut", "coffee", "rocket", "china", "motorcycle", "chelsea", "flower")
# Height and width of each.
SIZES = ((512, 512), (400, 600), (427, 640), (427, 640), (500, 741), (300, 451), (427, 640))
TRAINING_PICTURES, TEST_PICTURES = PICTURES[:5], PICTURES[5:]


def pictures(folder: str | os.PathLike[str] | None = None) -> dict[str, np.ndarray]:
    """Return photographs by name: those named in `PICTURES`, or the pictures in a folder.

    Args:
        folder: path of a folder with PNG, JPEG, WebP, AVIF, BMP, TIFF or GIF files. Its first eight pictures, in the
            order of the file names, are called "own 1", "own 2", ...; no file's name is returned. A picture whose
            longest side exceeds 512 pixels is reduced to that. Hidden files, other files and subfolders are ignored.

    Returns:
        {name: float32 (height, width, 3) in [0, 1]}.

    Raises:
        DataError: the folder does not exist or contains no picture; one of the eight cannot be read or, at a longest
            side of at most 512 pixels, has a side below 48 pixels; or an installed package no longer has a picture
            named in `PICTURES`, or has another one under its name.
    """
    if folder is not None:
        return own_pictures(folder)
    import skimage.data
    from sklearn.datasets import load_sample_image

    photographs = {}
    for name, size in zip(PICTURES, SIZES, strict=True):
        try:
            if name in ("china", "flower"):
                picture = load_sample_image(f"{name}.jpg")
            else:
                picture = skimage.data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(skimage.data, name)()
            if (picture.shape, picture.dtype) != ((*size, 3), np.uint8):
                raise ValueError(f"it must be uint8 {(*size, 3)}; the installed one is {picture.dtype} {picture.shape}")
        except Exception as error:
            raise DataError(
                f"picture {name!r} of scikit-image or scikit-learn cannot be used: {type(error).__name__}: {error}; "
                "install both in the versions of requirements.txt"
            ) from error
        photographs[name] = np.divide(picture, 255, dtype=np.float32)
    return photographs


def cut_patches(
    pictures: Mapping[str, ArrayLike] | Sequence[ArrayLike], size: int, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cut square patches at random positions, no position twice, the same number from every picture.

    Args:
        pictures: list or dict of arrays (height, width) or (height, width, channels), all with the same channels.
            To cut from a part of a picture only, pass that part, such as `picture[:, :300]`.
        size: height and width of a patch in pixels.
        count: total number of patches; if it cannot be divided equally, the first pictures contribute one more each.
        seed: integer from 0 to 2**32 - 1.

    Returns:
        The patches in shuffled order, (count, size, size, channels), in the dtype of the pictures; and for every patch
        the index of its picture, int64 (count,).

    Raises:
        ValueError: the size is larger than a picture, or a picture has fewer positions than requested.
    """
    arrays = [np.asarray(each) for each in (pictures.values() if isinstance(pictures, Mapping) else pictures)]
    arrays = [picture[..., None] if picture.ndim == 2 else picture for picture in arrays]
    if not arrays or any(p.ndim != 3 or p.shape[2] != arrays[0].shape[2] for p in arrays):
        expected = "one or more arrays (height, width) or (height, width, channels), all with the same channels"
        raise ValueError(f"pictures must be {expected}; received shapes {[p.shape for p in arrays]}")
    size = _validation.integer(size, "size", maximum=min(min(picture.shape[:2]) for picture in arrays))
    count = _validation.integer(count, "count", minimum=0)
    rng = np.random.default_rng(_validation.seed(seed))
    cuts, labels = [], []
    for index, picture in enumerate(arrays):
        share = count // len(arrays) + (index < count % len(arrays))
        windows = np.lib.stride_tricks.sliding_window_view(picture, (size, size), axis=(0, 1))
        positions = windows.shape[0] * windows.shape[1]
        if share > positions:
            received = f"received {count}, {share} of them from picture {index}, which has {positions}"
            raise ValueError(f"count must not exceed the positions in the pictures; {received}")
        rows, columns = np.divmod(rng.choice(positions, share, replace=False), windows.shape[1])
        cuts.append(np.moveaxis(windows[rows, columns], 1, -1))
        labels.append(np.full(share, index, np.int64))
    order = rng.permutation(count)
    return np.concatenate(cuts)[order], np.concatenate(labels)[order]


def natural_patches(image_set: ImageSet, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Cut the patches of a set, gray ones if it has one channel; return them and their labels for every split.

    Train comes from the upper seven eighths of the training pictures and val from the rest, at positions that the seed
    draws. Test comes from the test pictures, at the same positions for every seed. A label is an index into `PICTURES`.
    """
    from aelib.corruption import grayscale

    (train, val, test), (size, _, channels) = image_set.counts, image_set.shape
    photographs = {name: grayscale(p[None])[0] if channels == 1 else p for name, p in pictures().items()}
    borders = {name: round(len(photographs[name]) * 7 / 8) for name in TRAINING_PICTURES}
    test_patches, test_labels = cut_patches([photographs[name] for name in TEST_PICTURES], size, test, 0)
    return {
        "train": cut_patches([photographs[name][:border] for name, border in borders.items()], size, train, seed),
        "val": cut_patches([photographs[name][border:] for name, border in borders.items()], size, val, seed),
        "test": (test_patches, test_labels + len(TRAINING_PICTURES)),
    }
