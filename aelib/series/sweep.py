"""A notebook and a grid in; a row per point of it out: executed on Dask, and kept as soon as it is done."""

import json
import logging
import os
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass

from distributed import Client, LocalCluster, as_completed
from tqdm import tqdm

from aelib.series import grid, point, publish, runner, table
from aelib.series.outcome import SEVERITY
from aelib.series.spec import UsageError
from aelib.series.verdict import judge

DONE = ".points"  # folder of what is done, so that a sweep that was cut off goes on
FINAL = ("passed", "missed")  # what else may end otherwise when it is tried again


class LostScheduler(Exception):
    """The scheduler went away before every point was executed; what was done until then is kept."""


@dataclass(frozen=True)
class Point:
    """One combination of a sweep: what was varied, as it was written, and all that its execution needs."""

    varied: dict
    backend: str
    parameters: dict
    key: str


def plan(name, grids, profile, backend, given):
    """The notebook and a Point per combination; raises UsageError for whatever could be known to fail."""
    axes = grid.axes(grids)
    if taken := [one for one, _ in given if one in axes]:
        raise UsageError(f"parameter {taken[0]} is given by --grid and by -p; once is allowed")
    made, groups = {}, {}
    for varied in grid.points(axes):
        own = [*given, *((key, value) for key, value in varied.items() if key != "backend")]
        chosen = varied.get("backend", backend)
        # Data, backends and sources are looked at once, not for each of ten thousand points.
        group = (chosen, varied.get("dataset"))
        if group not in groups:
            notebook = runner.plan([name], profile, chosen, own)[0].notebook
            groups[group] = point.base(notebook, profile, chosen)
        values = notebook.values(profile, own)
        key = point.key(groups[group], values)
        made[key] = Point(varied, chosen, values, key)
    return notebook, list(made.values())


def sweep(notebook, points, profile, out, *, workers=None, scheduler=None, deadline=None):
    """Execute the points that are not done yet, and publish the table of all of them under `out`.

    Returns:
        The rows, one per point, in the order of the points. Raises UsageError where `out` or the scheduler cannot
        be had, LostScheduler where it goes away later, and OSError where `out` cannot be written to later.
    """
    with publish.output_folder(out) as folder, publish.scratch_folder(folder) as scratch, _interruptible():
        done = folder / DONE
        done.mkdir(exist_ok=True)
        targets = notebook.profiles[profile].targets
        entries = {one.key: kept for one in points if (kept := _kept(done, one.key, targets)) is not None}
        waiting = [one for one in points if one.key not in entries]
        with tqdm(total=len(points), initial=len(entries), unit="point", file=sys.stderr, disable=None) as bar:
            if len(entries):
                bar.write(f"{len(entries)} of {len(points)} points were done before", file=sys.stderr)
            for one, entry in _executed(notebook.name, profile, waiting, scratch, workers, scheduler, deadline):
                entries[one.key] = entry
                if entry["status"] in FINAL:
                    publish.write(done, f"{one.key}.json", json.dumps(entry, allow_nan=False))
                bar.update()
                said = " ".join(f"{name}={value}" for name, value in one.varied.items())
                ending = f"{entry['status']} in {entry['seconds']:.0f} s" + _because(entry)
                bar.write(f"{len(entries)} of {len(points)}: {said} {ending}", file=sys.stderr)
        rows = [table.row(one, entries[one.key]) for one in points]
        table.publish(folder, notebook, profile, rows, [one.varied for one in points])
        return rows


def exit_code(rows):
    """As of a run: 0 every target reached, 1 a target missed, 3 a point did not finish."""
    return max((SEVERITY[row["status"]] for row in rows), default=0)


def _executed(name, profile, points, scratch, workers, scheduler, deadline):
    """(Point, its entry) as they end, in whatever order."""
    if not points:
        return
    with _client(scratch, min(workers or max(1, (os.cpu_count() or 2) // 2), len(points)), scheduler) as client:
        futures = {
            # Not pure: a key of an earlier sweep in the same scheduler must not stand for this one's.
            client.submit(
                point.run_point, name, profile, one.backend, one.parameters, one.key, deadline, pure=False
            ): one
            for one in points
        }
        try:
            for future in as_completed(futures):
                if future.status == "cancelled":
                    raise LostScheduler(f"the scheduler at {scheduler} was lost; ask again to go on with what is left")
                one = futures.pop(future)
                error = future.exception()
                entry = _failed(name, error) if error else future.result()
                future.release()
                yield one, entry
        finally:
            if client.status == "running":
                client.cancel(list(futures), force=True)


@contextmanager
def _client(scratch, workers, scheduler):
    for logger in ("distributed", "distributed.client"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    if scheduler:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise UsageError(f"no scheduler at {scheduler}: {_one_line(error)}") from None
        with client:
            if not client.scheduler_info(n_workers=-1)["workers"]:
                raise UsageError(f"the scheduler at {scheduler} has no worker")
            yield client
        return
    # Ctrl-C at a terminal reaches every process of the group: it is for this one alone, which ends the others.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,  # a notebook is a process of its own: what the worker takes is no measure of it
            dashboard_address=None,
            local_directory=str(scratch),
            silence_logs=logging.CRITICAL,
        )
    finally:
        signal.signal(signal.SIGINT, handler)
    with cluster, Client(cluster) as client:
        yield client


@contextmanager
def _interruptible():
    """SIGTERM ends a sweep as Ctrl-C does, and Ctrl-C also where a shell started it with that ignored."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _failed(name, error):
    """The entry of a point that no worker could bring to its end."""
    cause = f"{type(error).__name__}: {_one_line(error)}"
    return {"name": name, "status": "failed", "cause": cause, "seconds": 0.0, "metrics": {}}


def _kept(folder, key, targets):
    """What is kept of a point, judged by the targets of today; None where nothing is."""
    try:
        entry = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
        judged = judge(entry["metrics"], targets)
        if entry["status"] not in FINAL or not all(one.measured for one in judged):
            return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    missed = [str(one) for one in judged if not one.reached]
    return {**entry, "status": "missed" if missed else "passed", "cause": "; ".join(missed) or None}


def _because(entry):
    return f": {entry['cause']}" if entry["cause"] else ""


def _one_line(error):
    return " ".join(str(error).split())[:300]
