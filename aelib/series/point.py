"""One point of a sweep in; its entry, as results.json has it, out: what a worker of the cluster does."""

import hashlib
import json
import uuid
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import dask

from aelib.series import document, results
from aelib.series.attempt import Plan, Stop, attempt
from aelib.series.spec import load_series

LIBRARY = Path(__file__).resolve().parents[1]
NOT_TAUGHT = (
    "series",
    "classroom",
    "__main__.py",
    "_terminal.py",
    "bundle.py",
)  # what no metric of a notebook depends on


def base(notebook, profile, backend):
    """A digest of what decides the numbers of a notebook, its parameters apart: source, library, versions."""
    digest = hashlib.sha256(json.dumps([notebook.name, profile, backend, results.versions(backend)]).encode())
    digest.update(notebook.path.read_bytes())
    for path in sorted(LIBRARY.rglob("*.py")):
        if path.relative_to(LIBRARY).parts[0] not in NOT_TAUGHT:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def key(base, parameters):
    """The name under which a point is kept: the same for as long as it would give the same numbers."""
    return hashlib.sha256((base + json.dumps(parameters, sort_keys=True)).encode()).hexdigest()[:32]


def run_point(name, profile, backend, parameters, expected, deadline):
    """Execute a point on this machine, which must have the notebook, library and versions of the one that asks.

    Returns:
        The notebook's entry of results.json, with the backend, the versions, and when it was started.

    Raises:
        RuntimeError: if this machine would compute something else.
    """
    notebook = load_series()[name]
    if key(base(notebook, profile, backend), parameters) != expected:
        raise RuntimeError(f"this worker has another {name}, aelib, Python or {backend} than the sweep was asked with")
    source = document.read(notebook.path)
    plan = Plan(notebook, source, parameters, document.code_cells(source))
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    with TemporaryDirectory(prefix="aelib-point-", dir=_folder()) as scratch:
        place = Path(scratch) / name
        place.mkdir()
        _, outcome, _ = attempt(plan, uuid.uuid4().hex, backend, place, Stop(), deadline, without=_set_by_dask())
    about = {
        "backend": backend,
        "versions": results.versions(backend),
        "started": started,
    }
    return results.entry(outcome) | about


def _set_by_dask():
    # One thread for each library's arithmetic, meant for what runs in the worker itself. A notebook is a process of its
    # own, and with another number of threads it rounds otherwise than a run.
    return tuple(dask.config.get("distributed.nanny.pre-spawn-environ", {}))


def _folder():
    # Of a worker that was killed, the cluster removes this folder.
    from distributed import get_worker

    try:
        return get_worker().local_directory
    except ValueError:
        return None
