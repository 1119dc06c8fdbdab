"""The files of image sets: what they must contain, where they are stored, and how they are read.

A file is an .npz archive with uint8 images x_SPLIT and uint8 labels y_SPLIT. Before anything in it
is used, the shape and dtype of every array and a digest of all images and labels are checked.
"""

import hashlib
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from platformdirs import user_cache_dir

from aelib._errors import UsageError
from aelib._paths import IN_CHECKOUT, repository_file

GOOGLE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
# The binary version has the same images and labels as the Python version, but no pickles.
CIFAR10 = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
ALTERNATIVES = "or set AELIB_DATA to a folder with a good copy, or use mnist-5k, which needs no network"


class DataError(UsageError):
    """Data that cannot be used: one line with the file, what is wrong with it, and what to do."""

    def __init__(self, message: str):
        super().__init__(" ".join(str(message).split()))


@dataclass(frozen=True)
class ImageSet:
    """The expected properties of a set of images, and where to download it."""

    counts: tuple[int, int, int]  # images in train, val and test
    shape: tuple[int, int, int]  # height, width, channels
    # The content digest. Without it, the file must contain its own, which detects damage but not forgery.
    digest: str | None = None
    megabytes: int = 0
    urls: dict[str, str] = field(default_factory=dict)  # {published file: its checksum}


SETS = {
    "mnist-5k": ImageSet(
        (3_500, 500, 1_000), (28, 28, 1), digest="f12ee78197b6c946d4ab978f980731fd5ce3e0114adb073274ca8c532d540ffd"
    ),
    "mnist": ImageSet(
        (55_000, 5_000, 10_000),
        (28, 28, 1),
        digest="7094af7b5c3d891f27e1475788444d42b34549be7eaaa0ec07becfa46881f6cb",
        megabytes=12,
        urls={GOOGLE + "mnist.npz": "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"},
    ),
    "fashion-mnist": ImageSet(
        (55_000, 5_000, 10_000),
        (28, 28, 1),
        megabytes=31,
        urls={
            GOOGLE + "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            GOOGLE + "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
            GOOGLE + "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
            GOOGLE + "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
    "cifar10": ImageSet(
        (45_000, 5_000, 10_000),
        (32, 32, 3),
        megabytes=170,
        urls={CIFAR10: "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
    ),
    "natural-patches": ImageSet((20_000, 2_000, 5_000), (10, 10, 1)),
    "natural-patches-rgb": ImageSet((8_000, 1_000, 2_000), (16, 16, 3)),
}
FULL_SETS = tuple(name for name, image_set in SETS.items() if image_set.urls)


def folder() -> Path:
    """Return the folder of the full sets: $AELIB_DATA, which must exist, data/ in a checkout, or the user's cache."""
    if named := os.environ.get("AELIB_DATA"):
        chosen = Path(os.path.abspath(os.path.expanduser(named)))
        if not chosen.is_dir():
            remedy = "create it or correct the variable"
            raise DataError(f"AELIB_DATA must name an existing folder; received {named!r}: {remedy}")
        return chosen
    return repository_file("data") if IN_CHECKOUT else Path(user_cache_dir("aelib", appauthor=False))


def path(name: str) -> Path:
    """Return the path of the file of a set, which may not exist yet."""
    return folder() / f"{name}.npz" if name in FULL_SETS else repository_file("data/mnist_5k.npz")


def image_digests(images: np.ndarray, labels: np.ndarray) -> list[bytes]:
    """Return the SHA-256 of every image: its label as one byte, then the pixels in row-major order, channels last."""
    rows = np.concatenate([labels.reshape(-1, 1), images.reshape(len(images), -1)], axis=1)
    return [hashlib.sha256(row).digest() for row in rows]


def content_digest(arrays: dict[str, np.ndarray]) -> tuple[str, dict[str, np.ndarray]]:
    """Return a digest of uint8 arrays x_SPLIT and y_SPLIT that does not depend on the order of the images.

    Returns:
        The hexadecimal SHA-256 of, for every split in alphabetical order, its name, a zero byte and the sorted digests
        of its images; and for every split the indices that sort its images by their digests.
    """
    total, order = hashlib.sha256(), {}
    for split in sorted(key[2:] for key in arrays if key.startswith("x_")):
        digests = image_digests(arrays[f"x_{split}"], arrays[f"y_{split}"])
        order[split] = np.array(sorted(range(len(digests)), key=digests.__getitem__))
        total.update(split.encode() + b"\0" + b"".join(digests[i] for i in order[split]))
    return total.hexdigest(), order


def read(name: str) -> dict[str, np.ndarray]:
    """Return the arrays in the file of a set; the images of a full set are sorted by their digests.

    Raises:
        DataError: the file does not have the expected content. It is left as it is.
    """
    file, image_set = path(name), SETS[name]
    try:
        arrays = _read_unverified(file, image_set)
        expected = image_set.digest or arrays.pop("digest").tobytes().hex()
        digest, order = content_digest(arrays)
        if digest != expected:
            digests = f"content digest {digest[:12]}..., expected {expected[:12]}..."
            raise ValueError(f"its images or labels are not the expected ones ({digests})")
    # Damage can raise almost any exception: from zipfile, zlib, NumPy's header parser or the operating system.
    except Exception as error:
        remedy = "it comes with aelib: restore it with `git checkout -- data/mnist_5k.npz`, or install aelib again"
        if name in FULL_SETS:
            remedy = f"move it away so that it is downloaded again, {ALTERNATIVES}"
        reason = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise DataError(f"{file} cannot be used: {reason}; {remedy}") from error
    # Sorted, so that nothing depends on the order in the file; data/make_mnist_5k.py fixes the order of mnist-5k.
    return {key: array[order[key[2:]]] for key, array in arrays.items()} if name in FULL_SETS else arrays


def _read_unverified(file, image_set):
    """Return the arrays of a file after checking their shapes and dtypes."""
    if not file.is_file():
        raise ValueError("it is not a regular file" if os.path.lexists(file) else "it is missing")
    # Checked here because NumPy takes any other file for a pickle, and suggests to allow it.
    with open(file, "rb") as opened:
        head = opened.read(256)
    if not (head.startswith(b"PK\x03\x04") and zipfile.is_zipfile(file)):
        page = head.lstrip().startswith(b"<")
        raise ValueError(f"it is {'a web page' if page else 'damaged or not an .npz file' if head else 'empty'}")
    counts = dict(zip(("train", "val", "test"), image_set.counts, strict=True))
    if image_set.urls:
        counts["train"] += counts.pop("val")  # drawn from the published training images
    image = image_set.shape if image_set.shape[2] > 1 else image_set.shape[:2]
    arrays, shapes = {}, {} if image_set.digest else {"digest": (32,)}
    for split, count in counts.items():
        shapes |= {f"x_{split}": (count, *image), f"y_{split}": (count,)}
    with np.load(file, allow_pickle=False) as archive:
        for key, shape in shapes.items():
            if key not in archive:
                raise ValueError(f"it has no array {key}")
            arrays[key] = array = archive[key]
            if (array.shape, array.dtype) != (shape, np.uint8):
                raise ValueError(f"array {key} must be uint8 {shape}; received {array.dtype} {array.shape}")
    return arrays
