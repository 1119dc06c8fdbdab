"""Execute a notebook at every point of a grid, on this machine or a Dask cluster, and store each finished point."""

import itertools
import json
import logging
import math
import os
import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing, contextmanager, nullcontext
from functools import partial
from unittest.mock import patch

from tqdm import tqdm

from aelib import _terminal
from aelib._files import output_folder, scratch_folder, write_atomically
from aelib.series import runner, sweep_table
from aelib.series.execution import Stop
from aelib.series.spec import Notebook, UsageError
from aelib.series.sweep_point import GridPoint, execute_point, execute_point_on_dask, source_digest
from aelib.series.verdict import judge, number, status_of

STORE = ".points"  # folder of the finished points, so that an interrupted sweep can continue
MAX_POINTS = 1_000_000
# For the import of Dask: a user's own configuration is not for a sweep, and a broken one would end the import.
NO_DASK_CONFIGURATION = {"HOME": os.devnull, "DASK_ROOT_CONFIG": os.devnull}
RANGE = re.compile(r"([0-9]{1,6})\.\.([0-9]{1,6})")


def plan(name, grids, profile, backend, given) -> tuple[Notebook, list[GridPoint]]:
    """Return the notebook and a point per combination; raise UsageError for whatever is known to fail."""
    axes = parse_grids(grids)
    if taken := [parameter for parameter, _ in given if parameter in axes]:
        raise UsageError(f"parameter {taken[0]} is given by --grid and by -p; once is allowed")
    points, digests = {}, {}
    for values in itertools.product(*axes.values()):
        grid_values = dict(zip(axes, values, strict=True))
        chosen_backend = grid_values.get("backend", backend)
        chosen = [*given, *((axis, value) for axis, value in grid_values.items() if axis != "backend")]
        # Data, backend and source are checked once, not for each of thousands of points.
        group = (chosen_backend, grid_values.get("dataset"))
        if group not in digests:
            notebook = runner.plan([name], profile, chosen_backend, chosen)[0].notebook
            digests[group] = source_digest(notebook, chosen_backend)
        # A parameter may be given by a former name; backend is none.
        current = {getattr(notebook.parameter(axis), "name", axis): value for axis, value in grid_values.items()}
        parameters = notebook.values(profile, chosen)
        point = GridPoint(notebook.name, chosen_backend, current, parameters, digests[group])
        points[point.digest] = point
    return notebook, list(points.values())


def parse_grids(grids) -> dict[str, list[str]]:
    """Return {name: values as texts} of texts NAME=V1,V2,... or NAME=FIRST..LAST; raise UsageError."""
    axes: dict[str, list[str]] = {}
    for text in grids:
        name, _, values = map(str.strip, text.partition("="))
        if not name or not values:
            raise UsageError(f"--grid must be NAME=V1,V2,...; received {text[:80]!r}")
        if name in axes:
            raise UsageError(f"--grid {name} is given twice; put its values into one list")
        axes[name] = []
        for value in map(str.strip, values.split(",")):
            bounds = RANGE.fullmatch(value)
            found = [str(i) for i in range(int(bounds[1]), int(bounds[2]) + 1)] if bounds else [value]
            if not value or not found:
                problem = f": {value} must go upwards" if value else " has an empty value"
                raise UsageError(f"--grid {name}{problem}")
            axes[name] += found
    if (count := math.prod(map(len, axes.values()))) > MAX_POINTS:
        raise UsageError(f"--grid spans {count:,} points; {MAX_POINTS:,} at most")
    return axes


def sweep(notebook: Notebook, points, profile, out, *, workers=None, scheduler=None, deadline=None) -> list[dict]:
    """Execute the points that are not finished yet, and publish the table of all points under `out`.

    Args:
        workers: points at a time on this machine; by default half the number of cores.
        scheduler: address of a Dask scheduler to use instead.
        deadline: seconds for a point, or None.

    Returns:
        The rows of the table, in the order of the points.

    Raises:
        UsageError: if `out` or the scheduler cannot be used.
        ConnectionError: if the scheduler is lost later.
        OSError: if `out` cannot be written to later.
    """
    targets = notebook.profiles[profile].targets
    with output_folder(out) as folder, scratch_folder(folder) as scratch, ExitStack() as handlers:
        # SIGTERM ends a sweep as Ctrl-C does, and Ctrl-C also where a shell started it with that ignored.
        for signum in (signal.SIGINT, signal.SIGTERM):
            handlers.callback(signal.signal, signum, signal.signal(signum, signal.default_int_handler))
        store = folder / STORE
        store.mkdir(exist_ok=True)
        entries = {point.digest: entry for point in points if (entry := _stored(store, point, targets))}
        left = [point for point in points if point.digest not in entries]
        bar = tqdm(total=len(points), initial=len(entries), unit="point", file=sys.stderr, disable=None)
        with bar, closing(_execute(left, scratch, workers, scheduler, deadline)) as executed:
            if entries:
                bar.write(f"{len(entries)} of {len(points)} points were done before", file=sys.stderr)
            for point, entry in executed:
                entries[point.digest] = entry
                if entry["status"] in ("passed", "missed"):
                    write_atomically(store / f"{point.digest}.json", json.dumps(entry, allow_nan=False))
                bar.update()
                bar.write(f"{len(entries)} of {len(points)}: {_progress_line(point, entry)}", file=sys.stderr)
        rows = [sweep_table.row(point, entries[point.digest]) for point in points]
        sweep_table.publish(folder, notebook.name, targets, rows, list(points[0].grid_values))
        return rows


def _execute(points, scratch, workers, scheduler, deadline):
    """Yield (GridPoint, entry) in the order in which the points end."""
    if not points:
        return
    workers = min(workers or max(1, (os.cpu_count() or 2) // 2), len(points))
    with _dask(scheduler) if scheduler else _threads(workers, scratch) as (executor, execute):
        futures = {executor.submit(execute, point, deadline): point for point in points}
        for future in as_completed(list(futures)):
            if future.cancelled():
                raise ConnectionError(f"the scheduler at {scheduler} was lost; ask again to go on with what is left")
            point, error = futures.pop(future), future.exception()
            yield point, _failed(point, error) if error else future.result()


@contextmanager
def _threads(workers, scratch):
    """Yield an executor on this machine, where each notebook runs in processes of its own, and its function."""
    stop = Stop()
    executor = ThreadPoolExecutor(workers)
    try:
        yield executor, partial(execute_point, scratch=scratch, stop=stop)
    finally:
        stop.set()
        executor.shutdown(cancel_futures=True)


@contextmanager
def _dask(scheduler):
    """Yield an executor on a Dask cluster, and its function."""
    try:
        # Certificates have no other place than the user's configuration of Dask; nothing else in it concerns a sweep.
        encrypted = scheduler.startswith(("tls:", "wss:"))
        plain = {name: value for name, value in os.environ.items() if not name.startswith("DASK_")}
        plain |= NO_DASK_CONFIGURATION
        with nullcontext() if encrypted else patch.dict(os.environ, plain, clear=True):
            from distributed import Client
        for logger in ("distributed", "distributed.client"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        client = Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise UsageError(f"no scheduler at {scheduler}: {error}") from None
    with client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            raise UsageError(f"the scheduler at {scheduler} has no worker")
        # Not pure: the result of an earlier sweep in the same scheduler must not stand for this one's.
        yield client.get_executor(pure=False), execute_point_on_dask


def _stored(store, point, targets):
    """Return the stored entry of a point, judged by the present targets, or None."""
    try:
        entry = json.loads((store / f"{point.digest}.json").read_text(encoding="utf-8"))
        status, cause = status_of(judge(entry["metrics"], targets))
    except (OSError, ValueError, KeyError):
        return None
    return entry | {"status": status, "cause": cause} if status != "failed" else None


def _failed(point, error):
    """Return the entry of a point of which no worker has a result."""
    cause = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return {"name": point.notebook, "status": "failed", "cause": cause, "seconds": 0.0, "metrics": {}}


def _progress_line(point, entry):
    line = " ".join(f"{axis}={value}" for axis, value in point.grid_values.items())
    line += f" {entry['status']} in {entry['seconds']:.0f} s" + (f": {entry['cause']}" if entry["cause"] else "")
    if _terminal.verbosity == "verbose":
        line += "".join(f"; {name} {number(value)}" for name, value in entry["metrics"].items())
    return line
