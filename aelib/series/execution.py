"""Execute a notebook in a process of its own, independent of personal configuration, and leave no process behind."""

import json
import os
import site
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from math import inf
from pathlib import Path
from time import monotonic

import nbformat

from aelib._paths import PACKAGE
from aelib._processes import TOKEN, kill_process_tree
from aelib.data.files import folder as data_folder
from aelib.series import document
from aelib.series.outcome import ExecutionRecord, Outcome, Plan, outcome_of
from aelib.series.spec import series_folder

SHUTDOWN_SECONDS = 5.0  # for a worker to write down what it has, once its kernel is gone


class Stop(threading.Event):
    """Set by the first signal that asks the run to end, whose name it keeps."""

    signal = None


def execute_notebook(
    plan: Plan, run_id: str, backend: str, folder: Path, *, stop=None, deadline=None, on_cell=None, without=()
) -> tuple[Outcome, dict]:
    """Execute a notebook and judge it. Whatever happens, no process is left at the end.

    Args:
        plan: what to execute.
        run_id: of the run, which the metrics must show.
        backend: "tensorflow", "jax" or "torch".
        folder: an existing folder for the files of the execution.
        stop: a Stop that ends the execution when it is set.
        deadline: seconds after which the execution is ended; None for no limit.
        on_cell: called with the number of cells that are done, after each.
        without: names of environment variables that the notebook does not get.

    Returns:
        The outcome and the executed notebook, ready to publish. Paths of this machine are hidden in both.
    """
    nbformat.write(plan.document, folder / "source.ipynb")
    (folder / "work").mkdir()
    environment, record = _environment(folder, run_id, backend, without), ExecutionRecord()
    _run_worker(folder, plan.parameters, environment, record, stop or Stop(), deadline, on_cell)
    redactions = document.redactions(folder.parent, plan.folders)
    outcome = outcome_of(plan, run_id, record, deadline)
    if outcome.cause:
        outcome = replace(outcome, cause=document.redact(outcome.cause, redactions))
    try:
        executed = nbformat.read(folder / "executed.ipynb", as_version=4)
    except (OSError, ValueError):  # the worker was killed before it wrote the notebook
        executed = plan.document
    document.clean(executed, redactions)
    document.publish_parameters(executed, plan.published_parameters, redactions)
    return outcome, executed


def _run_worker(folder, parameters, environment, record, stop, deadline, on_cell):
    """Run a worker process to its end, and put down what it reports."""
    begin, token, finished = monotonic(), environment[TOKEN], threading.Event()
    # Not in `folder`: the path of a socket is short, and not every disk can hold one.
    sockets = tempfile.TemporaryDirectory(prefix="aelib-", ignore_cleanup_errors=True)
    job = {"folder": str(folder), "sockets": sockets.name, "parameters": parameters}
    with (
        sockets,
        open(folder / "worker.log", "wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "aelib.series.worker", json.dumps(job)],
            stdin=subprocess.PIPE,  # never written to: the worker ends when this end of it is closed
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder / "work",
            env=environment,
            start_new_session=True,
        ) as worker,
    ):
        end = inf if deadline is None else begin + deadline
        watcher = threading.Thread(target=_end_in_time, args=(worker, token, stop, end, record, finished))
        watcher.start()
        try:
            for line in worker.stdout:
                if not line.endswith(b"\n"):  # the worker was killed while it wrote
                    break
                done = len(record.done)
                record.update(json.loads(line))
                if on_cell and len(record.done) > done:
                    on_cell(len(record.done))
                if record.end:
                    break
        finally:
            finished.set()
            watcher.join()
            kill_process_tree(worker.pid, token)
            worker.kill()
            worker.wait()
            # The kernel may have been started between the search and the end of the worker.
            kill_process_tree(worker.pid, token)
            record.seconds = monotonic() - begin
    record.log = (folder / "worker.log").read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[-1]


def _end_in_time(worker, token, stop, end, record, finished):
    """Kill the kernel at a signal or the deadline, and the worker if it does not end by itself then."""
    while not finished.wait(0.1):
        if stop.is_set() or monotonic() > end:
            record.stopped = stop.signal or "deadline"
            # Not the worker: it writes down what the notebook showed so far.
            kill_process_tree(worker.pid, token)
            if not finished.wait(SHUTDOWN_SECONDS):
                worker.kill()
            return


def _environment(folder, run_id, backend, without):
    """Return the environment of a worker and its kernel; nothing personal but data and packages is found by them."""
    # Empty: the defaults. Not MPLCONFIGDIR, which would move the cache of fonts, and so build it in every run.
    (folder / "matplotlibrc").touch()
    # Last, without their .pth and usercustomize: aelib, or what it needs, may be among the user's own packages.
    user_packages = site.getusersitepackages() if site.ENABLE_USER_SITE else None
    paths = (os.environ.get("PYTHONPATH"), str(PACKAGE.parent), user_packages)
    own = {
        TOKEN: f"{run_id}-{folder.name}",
        "AELIB_RUN_ID": run_id,
        "AELIB_NOTEBOOKS": str(series_folder()),
        "KERAS_BACKEND": backend,
        "KERAS_HOME": str(folder / "keras"),
        "MATPLOTLIBRC": str(folder / "matplotlibrc"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    # Absolute, because the notebook runs in another folder.
    if os.environ.get("AELIB_DATA"):
        own["AELIB_DATA"] = str(data_folder())
    # PyTorch's threads wait for each other in a busy loop by default: with one core taken by another program, a
    # training step takes five times as long. A short one costs little then, and saves a fifth when nothing else runs.
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    return {"TF_CPP_MIN_LOG_LEVEL": "3", "GOMP_SPINCOUNT": "1000", **inherited, **own}
