"""A file of images and labels comes in; arrays proved to be the published set leave, or one clear error.

A file is an uncompressed or deflated .npz with, for every split, uint8 images x_SPLIT and uint8 labels
y_SPLIT.
Nothing in it is believed: names, shapes and types are read from the headers before any pixel is, pickles are
never opened, and a digest over all images and labels, whatever their order, decides.
"""

import hashlib
import math
import operator
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from platformdirs import user_cache_dir

from aelib._paths import IN_CHECKOUT, repository_file

GOOGLE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


class DataError(ValueError):
    """Data that cannot be used: one line with the file, what is wrong with it, and the remedy."""

    def __init__(self, message):
        super().__init__(" ".join(str(message).split()))


@dataclass(frozen=True)
class FullSet:
    """What is known of a downloaded set before it is there.

    `digest` is the content digest of the published set. Where it is None (fashion-mnist, cifar10), the
    published checksums of the archives are checked at the download instead (`md5` here; for cifar10 Keras has
    a SHA-256), and the file that is then written carries the digest of its own content. That digest tells
    damage; it cannot tell a file that somebody made on purpose.
    """

    module: str
    train: tuple
    test: tuple
    megabytes: int
    address: str
    digest: str | None = None
    md5: dict = field(default_factory=dict)

    @property
    def published_shapes(self):
        """The shape of every published array; all are uint8."""
        return {
            "x_train": self.train,
            "y_train": self.train[:1],
            "x_test": self.test,
            "y_test": self.test[:1],
        }

    @property
    def shapes(self):
        """The shape of every array that the file in the data folder must have; all are uint8."""
        return self.published_shapes | ({} if self.digest else {"digest": (32,)})


FULL_SETS = {
    "mnist": FullSet(
        module="mnist",
        train=(60_000, 28, 28),
        test=(10_000, 28, 28),
        megabytes=12,
        address=GOOGLE + "mnist.npz",
        digest="7094af7b5c3d891f27e1475788444d42b34549be7eaaa0ec07becfa46881f6cb",
    ),
    "fashion-mnist": FullSet(
        module="fashion_mnist",
        train=(60_000, 28, 28),
        test=(10_000, 28, 28),
        megabytes=31,
        address=GOOGLE + "train-labels-idx1-ubyte.gz",
        md5={
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
    "cifar10": FullSet(
        module="cifar10",
        train=(50_000, 32, 32, 3),
        test=(10_000, 32, 32, 3),
        megabytes=171,
        address="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    ),
}
LARGEST_SEED = 2**32 - 1


def folder() -> Path:
    """Return the folder where full sets are kept.

    It is $AELIB_DATA, which must exist; without that, the repository's data/ in a checkout, and otherwise the user's
    cache folder, which may not exist yet.

    Raises:
        DataError: AELIB_DATA names no folder.
    """
    if named := os.environ.get("AELIB_DATA"):
        chosen = Path(os.path.abspath(os.path.expanduser(named)))
        if not chosen.is_dir():
            raise DataError(
                f"AELIB_DATA must name an existing folder; received {named!r}: create it or correct the variable"
            )
        return chosen
    return repository_file("data") if IN_CHECKOUT else Path(user_cache_dir("aelib", appauthor=False))


def check_integer(argument, value, lowest, highest):
    """The value as an int, or a ValueError that names the argument."""
    try:
        if isinstance(value, bool | np.bool_) or not lowest <= operator.index(value) <= highest:
            raise TypeError
    except TypeError:
        allowed = f"an integer from {lowest:,} to {highest:,}"
        raise ValueError(f"{argument} must be {allowed}; received {value!r}") from None
    return operator.index(value)


def image_digests(images, labels):
    """The SHA-256 of every image: one byte of label, then the pixels in row-major order, channels last."""
    rows = np.concatenate([labels.reshape(-1, 1), images.reshape(len(images), -1)], axis=1)
    return [hashlib.sha256(row).digest() for row in rows]


def content_digest(arrays):
    """Digest a set of images in a way that does not depend on their order within a split.

    Args:
        arrays: dict of uint8 arrays, x_SPLIT (count, ...) and y_SPLIT (count,) for every split.

    Returns:
        The digest as 64 hexadecimal digits: SHA-256 over, for every split in alphabetical order, its name, a
        zero byte and the sorted digests of its images. And a dict of index arrays, one per split, that sort
        its images by
        their digests: the order that two files with the same images agree on.
    """
    total, order = hashlib.sha256(), {}
    for split in sorted(key[2:] for key in arrays if key.startswith("x_")):
        digests = image_digests(arrays[f"x_{split}"], arrays[f"y_{split}"])
        order[split] = np.array(sorted(range(len(digests)), key=digests.__getitem__))
        total.update(split.encode() + b"\0" + b"".join(digests[i] for i in order[split]))
    return total.hexdigest(), order


def read(path, shapes, digest, remedy):
    """Read a file and prove its content.

    Args:
        path: the .npz file.
        shapes: dict, the exact shape of every array that must be there; each must be uint8.
        digest: content digest that the arrays must have; None: the one stored in the file.
        remedy: what to do when the file is bad; ends the error's line.

    Returns:
        (arrays, order): the arrays, and per split the index array from `content_digest`.

    Raises:
        DataError: for anything but the expected content. The file is left as it is.
    """
    try:
        arrays = read_unproved(path, shapes)
    except DataError as error:
        raise DataError(f"{error}; {remedy}") from error
    stored = arrays.pop("digest", None)
    expected = digest or stored.tobytes().hex()
    found, order = content_digest(arrays)
    if found != expected:
        raise DataError(
            f"{path} cannot be used: its images or labels are not the expected ones "
            f"(content digest {found[:12]}..., expected {expected[:12]}...); {remedy}"
        )
    return arrays, order


def read_unproved(path, shapes):
    """The arrays of a file whose names, shapes and types are right, whatever the pixels; see `read`."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path} " + ("is not a regular file" if os.path.lexists(path) else "is missing"))
    try:
        with zipfile.ZipFile(path) as archive:
            # All headers before any pixel: a file that claims a terabyte costs nothing.
            for key, shape in shapes.items():
                _open_array(archive, key, shape).close()
            return {key: _read_array(archive, key, shape) for key, shape in shapes.items()}
    # Damage can surface as almost any exception: of zipfile, zlib, the header's parser, the system.
    except Exception as error:
        raise DataError(f"{path} cannot be used: {_reason(path, error)}") from error


def write(path, arrays):
    """Write arrays with their content digest, and have them on disk before this returns."""
    digest, _ = content_digest(arrays)
    # Not compressed: photographs shrink by a tenth only, and would take seconds to unpack before every use.
    with open(path, "wb") as file:
        np.savez(file, **arrays, digest=np.frombuffer(bytes.fromhex(digest), np.uint8))
        file.flush()
        os.fsync(file.fileno())


def _open_array(archive, key, shape):
    """The opened member of the archive, just past a header that says what it must."""
    try:
        info = archive.getinfo(f"{key}.npy")
    except KeyError:
        raise ValueError(f"it has no array {key}") from None
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"array {key} is packed in a way that numpy does not write")
    member = archive.open(info)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(member)
    if version not in readers:
        raise ValueError(f"array {key} has an unknown version")
    found, fortran_order, dtype = readers[version](member)
    if (found, dtype) != (shape, np.uint8) or (fortran_order and len(shape) > 1):
        received = f"{dtype} {found}" + " in column order" * fortran_order
        raise ValueError(f"array {key} must be uint8 {shape}; received {received}")
    return member


def _read_array(archive, key, shape):
    with _open_array(archive, key, shape) as member:
        size = math.prod(shape)
        pixels = member.read(size)
    if len(pixels) != size:
        raise ValueError(f"array {key} is cut off after {len(pixels)} of {size} bytes")
    return np.frombuffer(pixels, np.uint8).reshape(shape)


def _reason(path, error):
    """What is wrong with a file, in words for someone who did not write it."""
    if isinstance(error, zipfile.BadZipFile):
        with open(path, "rb") as file:
            head = file.read(256).lstrip()
        if not head:
            return "it is empty"
        if head.startswith(b"<"):
            return "it is a web page, not an .npz file"
        return f"it is damaged or not an .npz file ({error})"
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
