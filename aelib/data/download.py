"""The name of a set comes in; its file, downloaded by Keras and verified, leaves in the data folder.

Nothing is ever overwritten or deleted but what this module itself began: the work is done in a private folder
inside the data folder, and a whole, verified file is moved into place at the end.
"""

import contextlib
import hashlib
import importlib.util
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from aelib.data import files
from aelib.data.files import DataError

ANSWER_SECONDS = 3
STALL_SECONDS = 20
ABANDONED_SECONDS = 24 * 3600


def fetch(name, path):
    """Download a set and put its file in place.

    Args:
        name: a key of `files.FULL_SETS`.
        path: where the file shall be; there is none yet. Its folder is made if need be.

    Raises:
        DataError: no network (within ANSWER_SECONDS and a little), a folder that cannot be written, a failed
            or tampered download. What had been downloaded is removed.
    """
    spec = files.FULL_SETS[name]
    remedy = (
        f"connect to the network and try again, or set AELIB_DATA to a folder that has {path.name}, "
        "or use mnist-5k, which needs no network"
    )
    # Asked before the folder is touched: without a network nothing in it changes.
    there = next(one for one in path.parents if one.exists())
    problem = None if os.access(there, os.W_OK) else "its folder cannot be written to"
    problem = problem or _silence(spec.address)
    if problem:
        raise DataError(f"{path} is missing and cannot be fetched: {problem}; {remedy}")
    print(f"Fetching {name} (about {spec.megabytes} MB) into {path.parent}", file=sys.stderr, flush=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path.parent)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=path.parent, ignore_cleanup_errors=True) as home:
            finished = _download(spec, home)
            # Another process may have been faster; its file is checked before use like any other.
            if not os.path.lexists(path):
                os.replace(finished, path)
    except (OSError, DataError) as error:
        raise DataError(f"{path} is missing and could not be fetched: {error}; {remedy}") from error


def _download(spec, home):
    """The path of a whole, verified file in the folder `home`."""
    arrived, finished = Path(home, "arrived.npz"), Path(home, "finished.npz")
    problem = _run_keras(spec.module, home, arrived) or _checksum_mismatch(home, spec.md5)
    if problem:
        raise DataError(problem)
    arrays = files.read_unproved(arrived, spec.published_shapes)
    if spec.digest and files.content_digest(arrays)[0] != spec.digest:
        raise DataError("what arrived is not the published set")
    files.write(finished, arrays)
    return finished


def _silence(address):
    """Why an address does not answer, or None if it does; through the system's proxies, if it has any.

    In a thread, because no time limit of urllib covers the look-up of the host's name.
    """
    answers = queue.SimpleQueue()

    def ask():
        try:
            with urllib.request.urlopen(address, timeout=ANSWER_SECONDS):
                answers.put(None)
        except urllib.error.HTTPError as error:
            answers.put(f"{address} answers {error.code} {error.reason}")
        except Exception as error:
            answers.put(f"no network, or {address} is down ({getattr(error, 'reason', error)})")

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answers.get(timeout=ANSWER_SECONDS)
    except queue.Empty:
        return f"no answer from {address} within {ANSWER_SECONDS} seconds"


def _run_keras(module, home, target):
    """Let Keras download in a child process; what went wrong, or None."""
    # Keras needs a backend to be imported at all; JAX is the quickest of them.
    backend = next((name for name in ("jax", "tensorflow", "torch") if importlib.util.find_spec(name)), "tensorflow")
    environment = os.environ | {"KERAS_HOME": home, "KERAS_BACKEND": backend}
    script = Path(__file__).with_name("keras_child.py")
    log = Path(home, "log")
    # A file, not -c: no keras.py of the student's is imported. -P: nor are the files beside the script.
    command = [sys.executable, "-P", str(script), module, home, str(target), str(STALL_SECONDS)]
    with (
        open(log, "wb") as output,
        # The pipe is never written to: its end tells the child that this process has ended.
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=output, stderr=output) as child,
    ):
        child.wait()
    if child.returncode == 0:
        return None
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][-400:] if lines else f"the download ended with code {child.returncode}"


def _checksum_mismatch(home, md5):
    """Which of the published files is not what was published, or None."""
    for name, expected in md5.items():
        for file in Path(home).rglob(name):
            if hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest() == expected:
                break
        else:
            return f"{name} does not have its published checksum"
    return None


def _remove_abandoned(folder):
    """Remove what a download left here that was cut off together with its machine."""
    for left in folder.glob(".download-*"):
        # Another process may be done with its own just now.
        with contextlib.suppress(OSError):
            if time.time() - left.lstat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
