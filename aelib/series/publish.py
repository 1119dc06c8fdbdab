"""A folder and texts (or bytes) in; whole files out, whatever happens meanwhile, and one run at a time."""

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from aelib.series.spec import UsageError

LOCK = ".aelib-run.lock"
PART = ".aelib-part-"
SCRATCH = ".aelib-scratch-"
UMASK = os.umask(0o022)
os.umask(UMASK)


@contextmanager
def output_folder(path):
    """The folder, made and locked for this process; raises UsageError where it cannot be had."""
    path = Path(path).resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = open(path / LOCK, "a+", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise UsageError(f"cannot write to the folder {path}: {error.strerror}") from None
    with lock:
        try:
            # The kernel drops the lock with its process, so a dead run's does not block.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise UsageError(f"{path} is in use by {holder}; choose another --out or wait") from None
        try:
            lock.truncate(0)
            lock.write(f"the run of process {os.getpid()}, started {datetime.now():%Y-%m-%d %H:%M:%S}")
            lock.flush()
            _remove_leftovers(path)
        except OSError as error:
            raise UsageError(f"cannot write to the folder {path}: {error.strerror}") from None
        yield path


@contextmanager
def scratch_folder(out):
    """A folder under `out` for what a run leaves behind; a killed run's is removed by the next run."""
    path = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=out))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def write(folder, name, content):
    """Put a file in place whole: a reader, or a crash, finds the old one or the new one. Raises OSError."""
    descriptor, part = tempfile.mkstemp(prefix=PART, dir=folder)
    try:
        with open(descriptor, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o666 & ~UMASK)
        os.replace(part, Path(folder) / name)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise


def _remove_leftovers(folder):
    for path in folder.iterdir():
        if path.name.startswith(PART):
            path.unlink(missing_ok=True)
        elif path.name.startswith(SCRATCH):
            shutil.rmtree(path, ignore_errors=True)
