"""One point of a sweep: what identifies it, and its execution here or on a worker of a Dask cluster."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from aelib._paths import PACKAGE
from aelib.series import document, results
from aelib.series.execution import Plan, Stop, execute_notebook
from aelib.series.spec import Notebook, load_series

NOT_DIGESTED = ("series", "classroom")  # folders of the package on which no metric of a notebook depends
MAX_EXECUTIONS = 3  # of a point whose worker process is killed, which says nothing about the point


@dataclass(frozen=True)
class GridPoint:
    """One combination of the values of a grid: as they were written, and all that its execution needs."""

    notebook: str
    backend: str
    grid_values: dict[str, str]
    parameters: dict
    source_digest: str

    @property
    def digest(self) -> str:
        """The name under which the finished point is stored: the same as long as it would give the same metrics."""
        described = self.source_digest + json.dumps(self.parameters, sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()[:32]


def source_digest(notebook: Notebook, backend: str) -> str:
    """Return a digest of what decides a notebook's metrics besides its parameters: source, library, versions."""
    digest = hashlib.sha256(json.dumps([notebook.name, results.versions(backend)]).encode())
    library = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in NOT_DIGESTED]
    for path in (notebook.path, *sorted(library)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def execute_point(point: GridPoint, deadline=None, *, scratch, stop: Stop | None = None, without=()) -> dict:
    """Execute a point on this machine, in a temporary folder below `scratch`, and return its entry of results.json.

    Args:
        deadline: seconds, or None.
        stop: ends the execution when it is set.
        without: names of environment variables that the notebook does not get.

    Raises:
        RuntimeError: if notebook, library or versions are not those with which the point was planned.
    """
    notebook = load_series()[point.notebook]
    if source_digest(notebook, point.backend) != point.source_digest:
        planned = f"{point.notebook}, aelib, Python or {point.backend}"
        raise RuntimeError(f"this worker has another {planned} than the sweep was asked with")
    plan = Plan(notebook, document.read(notebook.path), point.parameters)
    for _ in range(MAX_EXECUTIONS):
        with TemporaryDirectory(prefix="aelib-point-", dir=scratch) as parent:
            folder = Path(parent) / notebook.name
            folder.mkdir()
            run_id = uuid.uuid4().hex
            outcome, _ = execute_notebook(
                plan, run_id, point.backend, folder, stop=stop, deadline=deadline, without=without
            )
        if not (outcome.cause or "").startswith("the worker process died"):
            break
    return results.entry(outcome)


def execute_point_on_dask(point: GridPoint, deadline=None) -> dict:
    """Execute a point in a worker of a Dask cluster; see `execute_point`."""
    import dask
    from distributed import get_worker

    # Dask sets one thread per library for what runs inside the worker. A notebook runs in a process of its own, and
    # with another number of threads it rounds differently than in `aelib run`.
    without = tuple(dask.config.get("distributed.nanny.pre-spawn-environ", {}))
    # The cluster removes the worker's folder if the worker is killed.
    return execute_point(point, deadline, scratch=get_worker().local_directory, without=without)
