"""Find the files that the repository keeps beside the library, such as data/ and notebooks/."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
_IN_WHEEL = PACKAGE / "_repository"
IN_CHECKOUT = not _IN_WHEEL.is_dir()


def repository_file(name: str) -> Path:
    """Return the path of a file or folder of the repository, in a checkout and in an installed wheel alike.

    Args:
        name: path relative to the top of the repository, for example "data/mnist_5k.npz" or "notebooks". A wheel
            carries data/, notebooks/ and constraints.txt only.
    """
    return (PACKAGE.parent if IN_CHECKOUT else _IN_WHEEL) / name
