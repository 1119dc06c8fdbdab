"""Run a student's code in a process of its own, with limits on time, memory, processes and output.

On Linux, bubblewrap isolates it: it has no network and no home folder, and sees only programs, packages, `aelib` and
its data, all read-only, and a /tmp that is deleted with it.
"""

import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import psutil

from aelib._processes import kill_process_tree
from aelib.classroom.bubblewrap import TMP_BYTES, bwrap_args, environment, python_args
from aelib.classroom.protocol import MAX_MESSAGE_BYTES, ProtocolError, pack, unpack

MAX_PROCESSES = 32  # at the same time; threads do not count
MAX_OUTPUT_BYTES = 50_000_000  # that may be printed
CHECK_SECONDS = 0.05  # between two checks of the limits while there is no answer


@dataclass(frozen=True)
class Limits:
    """The seconds and bytes of memory that a submission may use in total. A trusted one runs without bubblewrap."""

    seconds: float
    memory: int
    trusted: bool = False


class StudentError(Exception):
    """An error that a student's code raised, in one or a few lines."""


class SandboxTerminated(StudentError):
    """The process has ended: it exceeded a limit, or ended itself."""


class RemoteObject:
    """Stand-in for an object in a sandbox: it can be called, and its public attributes can be read."""

    __slots__ = ("_number", "_sandbox")

    def __init__(self, sandbox, number):
        self._sandbox, self._number = sandbox, number

    def __call__(self, *args, **kwargs):
        return self._sandbox.request("call", of=self, args=args, kwargs=kwargs)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return self._sandbox.request("attribute", of=self, name=name)

    def __repr__(self):
        return "an object of the submission"


class Sandbox:
    """A process that runs the code of one submission, at the latest until the time `end` of `time.monotonic`."""

    def __init__(self, limits: Limits, end: float):
        self.closed = False
        self._limits, self._end, self._printed_bytes, self._token = limits, end, 0, uuid.uuid4().hex
        self._scratch = tempfile.mkdtemp(prefix="aelib-trusted-") if limits.trusted else None
        self._channel, theirs = socket.socketpair()
        self._channel.settimeout(CHECK_SECONDS)
        rlimits = [f"--data={limits.memory}", "--core=0", f"--fsize={TMP_BYTES}", "--nofile=512"]
        isolation = [] if limits.trusted else ["prlimit", *rlimits, *bwrap_args()]
        script = Path(__file__).resolve().with_name("sandbox_runner.py")
        with theirs:
            self._process = subprocess.Popen(
                [*isolation, *python_args(), str(script), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                cwd=self._scratch,
                env=environment(self._scratch or "/tmp", self._token),
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._count_output, daemon=True)
        self._reader.start()

    def request(self, action: str, **details) -> Any:
        """Return the answer to a request to sandbox_runner.py, which may take half of the time that is left.

        Raises:
            StudentError: the student's code raised an error.
            SandboxTerminated: the process had ended already, or ended meanwhile.
        """
        if self.closed:
            raise SandboxTerminated("its process has ended")
        deadline = (monotonic() + self._end) / 2
        try:
            self._write(pack({"do": action, **details}, _number), deadline)
            (length,) = struct.unpack("<Q", self._read(8, deadline))
            if length > MAX_MESSAGE_BYTES:
                raise ProtocolError("too long")
            answer = unpack(self._read(length, deadline), lambda number: RemoteObject(self, number))
            if type(answer) is not dict or type(answer.get("ok")) is not bool:
                raise ProtocolError("no answer")
        except ProtocolError as error:
            self._terminate(f"it sent an invalid answer ({error})")
        if not answer["ok"]:
            raise StudentError(str(answer.get("error"))[-500:])
        return answer.get("value")

    def close(self) -> None:
        """End the process and all that it started."""
        if self.closed:
            return
        self.closed = True
        # When the first process of a namespace ends, the kernel kills the others in it.
        for process in _descendants(self._process.pid):
            with suppress(psutil.Error):
                process.kill()
        self._process.kill()
        self._process.wait()
        if self._scratch:
            kill_process_tree(self._process.pid, self._token)
            shutil.rmtree(self._scratch, ignore_errors=True)
        self._reader.join(2)
        self._channel.close()

    def _write(self, data, deadline):
        view = memoryview(data)
        while view:
            view = view[self._transfer(self._channel.send, view, deadline) :]

    def _read(self, count, deadline):
        data = bytearray()
        while len(data) < count:
            part = self._transfer(self._channel.recv, min(count - len(data), 2**20), deadline)
            if not part:
                self._terminate("the process ended")
            data += part
        return bytes(data)

    def _transfer(self, operation, argument, deadline):
        """Return the result of an operation of the channel; end the process if it exceeds a limit meanwhile."""
        while True:
            if monotonic() > deadline:
                self._terminate("it did not end in time")
            if self._printed_bytes > MAX_OUTPUT_BYTES:
                self._terminate(f"it printed more than {MAX_OUTPUT_BYTES // 10**6} MB")
            try:
                return operation(argument)
            except TimeoutError:
                self._check_processes()
            except OSError:
                self._terminate("the process ended")

    def _check_processes(self):
        processes = _descendants(self._process.pid)
        if len(processes) > MAX_PROCESSES:
            self._terminate(f"it started more than {MAX_PROCESSES} processes")
        used = 0
        for process in processes:
            with suppress(psutil.Error):
                used += process.memory_info().rss
        if used > self._limits.memory:
            self._terminate(f"it used more than {self._limits.memory // 2**20} MB of memory")

    def _terminate(self, reason):
        self.close()
        raise SandboxTerminated(reason) from None

    def _count_output(self):
        with self._process.stdout as pipe:
            while self._printed_bytes <= 2 * MAX_OUTPUT_BYTES and (part := pipe.read1(2**16)):
                self._printed_bytes += len(part)


def _number(value):
    if type(value) is RemoteObject:
        return value._number  # noqa: SLF001 (a public name would hide the student's own attribute)
    raise ProtocolError(f"a {type(value).__name__} cannot be sent")


def _descendants(pid):
    with suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []
