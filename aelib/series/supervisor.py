"""A stripped notebook in; a worker process watched to its end, and a Trace of what it did, out."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from time import monotonic

from aelib._paths import PACKAGE
from aelib.data.files import folder as data_folder
from aelib.series import document
from aelib.series.processes import TOKEN, end_family
from aelib.series.spec import series_folder

FAREWELL = 4.0  # seconds for a worker to write down what it has, once its kernel is gone


def execute(source, parameters, run_id, backend, place, stop, deadline, trace, without=()):
    """Run a notebook in the folder `place`, and yield the kind of each event once the trace has noted it.

    Whatever happens, no process is left when the generator ends. `stop` is an attempt.Stop; `without` names variables
    of this process's environment that the notebook does not get.
    """
    begin = monotonic()
    token = f"{run_id}-{place.name}"
    work = place / "work"
    work.mkdir()
    (place / "source.ipynb").write_text(document.text(source), encoding="utf-8")
    log = place / "worker.log"
    # Not in `place`: the path of a socket is short, and not every disk can hold one.
    sockets = tempfile.TemporaryDirectory(prefix="aelib-", ignore_cleanup_errors=True)
    with open(log, "wb") as stderr:
        worker = subprocess.Popen(
            [sys.executable, "-m", "aelib.series.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=work,
            env=_environment(place, run_id, backend, token, without),
            start_new_session=True,
        )
    try:
        files = {
            "source": str(place / "source.ipynb"),
            "executed": str(place / "executed.ipynb"),
            "cwd": str(work),
            "sockets": sockets.name,
        }
        worker.stdin.write(json.dumps({**files, "parameters": parameters}).encode() + b"\n")
        worker.stdin.flush()
        for line in _lines(worker, token, stop, None if deadline is None else begin + deadline, trace):
            event = json.loads(line)
            kind = event["event"]
            trace.take(event)
            yield kind
    except BrokenPipeError:
        pass
    finally:
        end_family(worker.pid, token)
        worker.kill()
        worker.wait()
        # The kernel may have been started between the search and the end of the worker.
        end_family(worker.pid, token)
        worker.stdin.close()
        sockets.cleanup()
        trace.seconds = monotonic() - begin
        trace.log = _last_line(log)


def _lines(worker, token, stop, end, trace):
    lines = queue.SimpleQueue()

    def read():
        for line in worker.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    patience = None
    while True:
        try:
            line = lines.get(timeout=0.1)
        except queue.Empty:
            line = b""
        if line is None:
            return
        if line:
            yield line
        now = monotonic()
        if trace.stopped is None and trace.end is None and (stop.is_set() or (end is not None and now > end)):
            trace.stopped = stop.signal or "deadline"
            # Only the kernel: the worker then writes down what the notebook showed so far.
            end_family(worker.pid, token)
            patience = now + FAREWELL
        if trace.end is not None and patience is None:
            patience = now + FAREWELL
        if patience is not None and now > patience:
            return


def _environment(place, run_id, backend, token, without):
    kernels = place / "jupyter" / "kernels" / "python3"
    kernels.mkdir(parents=True)
    # This interpreter is the kernel, whatever "python3" means to the user's Jupyter.
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    own = {
        TOKEN: token,
        "AELIB_RUN_ID": run_id,
        "AELIB_NOTEBOOKS": str(series_folder()),
        "KERAS_BACKEND": backend,
        "PYTHONHASHSEED": "0",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "IPYTHONDIR": str(place / "ipython"),
        "JUPYTER_PATH": str(place / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(place / "runtime"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(PACKAGE.parent)])),
    }
    # Absolute, because the notebook runs in another folder.
    if os.environ.get("AELIB_DATA"):
        own["AELIB_DATA"] = str(data_folder())
    # PyTorch's threads wait for each other in a busy loop by default: with one core taken by another program, a
    # training step takes five times as long. A short one costs little then, and saves a fifth when nothing else runs.
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    return {"TF_CPP_MIN_LOG_LEVEL": "3", "GOMP_SPINCOUNT": "1000", **inherited, **own}


def _last_line(log):
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
