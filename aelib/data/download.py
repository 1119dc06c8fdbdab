"""Download the published files of a set, check them against their checksums, and write the set into the data folder.

A download is kept in memory until it is complete, so that an interrupted one leaves nothing behind; its file is then
written atomically. Existing files are never overwritten.
"""

import contextlib
import gzip
import hashlib
import io
import multiprocessing
import os
import shutil
import sys
import tarfile
import tempfile
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np

from aelib.data import files
from aelib.data.files import ALTERNATIVES, DataError

ANSWER_SECONDS = 3  # until the first answer of a server
STALL_SECONDS = 20  # between two parts of a file
ABANDONED_SECONDS = 3600  # age at which the folder of another download is removed


def fetch_missing(name: str) -> None:
    """Download a set and write its file, unless there is one or the set comes with aelib.

    Raises:
        DataError: no network, a stalled connection, a wrong checksum, or a folder that cannot be written to.
    """
    path = files.path(name)
    # lexists, not exists: a broken link is the user's too, and must not be replaced.
    if name not in files.FULL_SETS or os.path.lexists(path):
        return
    try:
        # Checked first, because the download would be wasted.
        if not os.access(next(parent for parent in path.parents if parent.exists()), os.W_OK):
            raise DataError("its folder cannot be written to")
        arrays = READERS[name](*[_download(url, checksum) for url, checksum in files.SETS[name].urls.items()])
        digest, _ = files.content_digest(arrays)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Left behind by processes that were killed. One that still runs may remove its own at the same time.
        for leftover in path.parent.glob(".download-*"):
            with contextlib.suppress(OSError):
                if time.time() - leftover.lstat().st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=path.parent, ignore_cleanup_errors=True) as scratch:
            complete = Path(scratch, path.name)
            # Not compressed: photographs shrink by only a tenth, and unpacking them would take seconds at every load.
            np.savez(complete, **arrays, digest=np.frombuffer(bytes.fromhex(digest), np.uint8))
            # Another process may have been faster; its file is checked before use like any other.
            if not os.path.lexists(path):
                os.replace(complete, path)
    except (OSError, DataError) as error:
        remedy = f"connect to the network and try again, {ALTERNATIVES}"
        raise DataError(f"{path} is missing and could not be fetched: {error}; {remedy}") from error


def _download(url, checksum):
    """Return the content of a published file."""
    import requests

    # Without compression in transit, the content is the published file, byte for byte.
    options = {"headers": {"Accept-Encoding": "identity"}, "stream": True, "timeout": STALL_SECONDS}
    try:
        # In a thread, because a socket's timeout covers neither the name lookup nor several addresses tried in turn.
        with ThreadPool(1) as pool:
            response = pool.apply_async(requests.get, (url,), options).get(ANSWER_SECONDS)
    except (multiprocessing.TimeoutError, requests.ConnectionError) as error:
        cause = error
        while cause.__context__:  # requests wraps the original error three times
            cause = cause.__context__
        reason = str(cause) or f"no answer within {ANSWER_SECONDS} seconds"
        raise DataError(f"no network, or {url} is down ({reason})") from error
    response.raise_for_status()
    print(f"Downloading {url}", file=sys.stderr, flush=True)
    content = response.content
    algorithm, expected = checksum.split(":")
    if hashlib.new(algorithm, content, usedforsecurity=False).hexdigest() != expected:
        raise DataError(f"{url} does not have its published checksum: it is damaged or was replaced by a web page")
    return content


def _read_fashion_mnist(*contents):
    """Read IDX files: images after a header of 16 bytes, labels after one of 8."""
    x_train, y_train, x_test, y_test = (np.frombuffer(gzip.decompress(content), np.uint8) for content in contents)
    x_train, x_test = (x[16:].reshape(-1, 28, 28) for x in (x_train, x_test))
    return {"x_train": x_train, "y_train": y_train[8:], "x_test": x_test, "y_test": y_test[8:]}


def _read_cifar10(archive):
    """Read batches of records: the label as one byte, then the red, the green and the blue pixels, row by row."""
    arrays = {}
    # Decompressed first: the batches are not stored in order, and seeking backwards in a gzip file starts over.
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as tar:
        for split, batches in ("train", [f"data_batch_{i}" for i in range(1, 6)]), ("test", ["test_batch"]):
            content = b"".join(tar.extractfile(f"cifar-10-batches-bin/{batch}.bin").read() for batch in batches)
            records = np.frombuffer(content, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
            pixels = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            arrays |= {f"x_{split}": np.ascontiguousarray(pixels), f"y_{split}": records[:, 0]}
    return arrays


READERS = {
    "mnist": lambda archive: dict(np.load(io.BytesIO(archive), allow_pickle=False)),
    "fashion-mnist": _read_fashion_mnist,
    "cifar10": _read_cifar10,
}
