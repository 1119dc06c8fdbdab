"""Write files atomically into an output folder that belongs to one run at a time."""

import fcntl
import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from aelib.series.spec import UsageError

LOCK = ".aelib-run.lock"
PART = ".aelib-part-"
SCRATCH = ".aelib-scratch-"


@contextmanager
def output_folder(path: str | Path):
    """Make a folder and lock it for this process; raise UsageError where that is not possible."""
    path = Path(path).resolve()
    with ExitStack() as stack:
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(open(path / LOCK, "a+", encoding="utf-8"))
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            # The kernel drops the lock with its process, so that a killed run does not block the folder.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.truncate(0)
            lock.write(f"the run of process {os.getpid()}, started {datetime.now():%Y-%m-%d %H:%M:%S}")
            lock.flush()
            for left in path.glob(f"{PART}*"):
                left.unlink()
            for left in path.glob(f"{SCRATCH}*"):
                shutil.rmtree(left, ignore_errors=True)
        except BlockingIOError:
            raise UsageError(f"{path} is in use by {holder}; choose another --out or wait") from None
        except OSError as error:
            raise UsageError(f"cannot write to the folder {path}: {error.strerror}") from None
        yield path


def scratch_folder(out: Path) -> tempfile.TemporaryDirectory:
    """Return a context manager for a temporary folder under `out`; the next run removes that of a killed run."""
    return tempfile.TemporaryDirectory(prefix=SCRATCH, dir=out, ignore_cleanup_errors=True)


def write_atomically(path: Path, content: str | bytes):
    """Write a file so that a reader, or a crash, finds the old or the new one, never a part; raise OSError."""
    part = path.with_name(f"{PART}{os.getpid()}-{path.name}")
    try:
        with open(part, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
