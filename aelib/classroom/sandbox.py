"""A process that runs a student's code, shut in; messages in and out, limits on time, memory, processes and output.

On Linux by bubblewrap, in namespaces of its own: no network, no home, of the file system only the programs, `aelib` and
the data, all read-only, and a /tmp that vanishes with it.
"""

import os
import select
import shutil
import struct
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic

import psutil

from aelib.classroom.bubblewrap import TMP_BYTES, bwrap_args, environment, python_args
from aelib.classroom.wire import LIMIT, Handle, WireError, pack, unpack
from aelib.series.processes import end_family

PROCESSES = 32  # at once; threads do not count
OUTPUT = 50_000_000  # bytes that may be printed
SHOWN = 20_000  # of them are kept
TICK = 0.05  # seconds between two looks at the limits


class StudentError(Exception):
    """What a student's code did instead of answering, in one or a few lines."""


class Ended(StudentError):
    """The process is gone: it broke a limit, or ended itself."""


class Sandbox:
    """One process with one student's namespace. memory: bytes for it and all it starts. trusted: without walls."""

    def __init__(self, memory, *, trusted=False):
        self.memory, self.printed, self.shown = memory, 0, bytearray()
        self.token = f"{os.getpid()}-{id(self)}-{monotonic()}"
        self.scratch = tempfile.mkdtemp(prefix="aelib-trusted-") if trusted else None
        inside, self._send = os.pipe()
        self._receive, outside = os.pipe()
        limits = ["prlimit", f"--data={memory}", "--core=0", f"--fsize={TMP_BYTES}", "--nofile=512"]
        walls = [] if trusted else [*limits, *bwrap_args()]
        script = Path(__file__).resolve().with_name("inmate.py")
        command = [*walls, *python_args(), str(script), str(inside), str(outside)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(inside, outside),
            cwd=self.scratch,
            env=environment(self.scratch or "/tmp", self.token),
            start_new_session=True,
        )
        os.close(inside)
        os.close(outside)
        os.set_blocking(self._send, False)
        self.reader = threading.Thread(target=self._drain, daemon=True)
        self.reader.start()

    def ask(self, request, resolve, end):
        """The answer to a request, as wire.unpack gives it; raises StudentError, or Ended at the moment `end`."""
        try:
            self._write(pack(request, _nothing), end)
            (length,) = struct.unpack("<Q", self._read(8, end))
            if length > LIMIT:
                raise WireError("too long")
            answer = unpack(self._read(length, end), resolve)
            if type(answer) is not dict or type(answer.get("ok")) is not bool:
                raise WireError("no answer")
        except WireError as error:
            self.close()
            raise Ended(f"it sent what is no answer ({error})") from None
        if not answer["ok"]:
            raise StudentError(str(answer.get("error"))[-500:])
        return answer.get("value")

    def close(self):
        """End the process and all it started; what it printed stays in `shown`."""
        if self.scratch:
            end_family(self.process.pid, self.token)
        # With the first process of its namespace the kernel ends all others.
        for child in _children(self.process.pid) if not self.scratch else ():
            with suppress(psutil.Error):
                child.kill()
        self.process.kill()
        self.process.wait()
        if self.scratch:
            end_family(self.process.pid, self.token)
            shutil.rmtree(self.scratch, ignore_errors=True)
        self.reader.join(2)
        for descriptor in (self._send, self._receive):
            with suppress(OSError):
                os.close(descriptor)
        self._send = self._receive = -1

    def _write(self, data, end):
        view = memoryview(data)
        while view:
            self._wait([], [self._send], end)
            try:
                view = view[os.write(self._send, view) :]
            except BlockingIOError:
                continue
            except OSError:
                self._fail("the process ended")

    def _read(self, count, end):
        data = bytearray()
        while len(data) < count:
            self._wait([self._receive], [], end)
            part = os.read(self._receive, min(count - len(data), 2**20))
            if not part:
                self._fail("the process ended")
            data += part
        return bytes(data)

    def _wait(self, readable, writable, end):
        """Until a descriptor is ready; ends the process when a limit is broken meanwhile."""
        while True:
            if monotonic() > end:
                self._fail("it did not end in time")
            if self.printed > OUTPUT:
                self._fail(f"it printed more than {OUTPUT // 10**6} MB")
            ready = select.select(readable, writable, [], TICK)
            if ready[0] or ready[1]:
                return
            family = _children(self.process.pid)
            if len(family) > PROCESSES:
                self._fail(f"it started more than {PROCESSES} processes")
            used = 0
            for one in family:
                with suppress(psutil.Error):
                    used += one.memory_info().rss
            if used > self.memory:
                self._fail(f"it took more than {self.memory // 2**20} MB of memory")

    def _fail(self, reason):
        self.close()
        raise Ended(reason)

    def _drain(self):
        with self.process.stdout as pipe:
            while part := pipe.read1(2**16):
                self.printed += len(part)
                self.shown += part[: max(0, SHOWN - len(self.shown))]
                if self.printed > 2 * OUTPUT:
                    return


def _nothing(value):
    if isinstance(value, Handle):
        return value
    raise WireError(f"a {type(value).__name__} cannot be sent")


def _children(pid):
    with suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []
