"""Write down a run: results.json, junit.xml and history.json for programs, a table for the terminal."""

import json
import math
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

from aelib.series.outcome import Outcome
from aelib.series.spec import UsageError
from aelib.series.verdict import COLUMNS, text_table

SCHEMA = "aelib.results/1"
HISTORY_SCHEMA = "aelib.history/1"
HISTORY = "history.json"
MAX_HISTORY_RUNS = 1000
# What the history keeps of a run and of a notebook: not what the notebook's source says anyway.
RUN_FIELDS = ("run_id", "profile", "backend", "versions", "started", "seconds")
NOTEBOOK_FIELDS = ("name", "status", "seconds", "parameters", "metrics")


@dataclass(frozen=True)
class Run:
    """One run of the series: what it was asked, and an Outcome per notebook."""

    run_id: str
    profile: str
    backend: str
    started: datetime
    seconds: float
    versions: dict
    outcomes: list[Outcome]

    @property
    def exit_code(self) -> int:
        """0 if every target was reached, 1 if one was missed, 3 if a notebook did not finish."""
        return max((outcome.exit_code for outcome in self.outcomes), default=0)


def versions(backend: str) -> dict[str, str]:
    """Return {package: version} of what decides the numbers."""
    installed = {"python": platform.python_version()}
    for package in ("aelib", "keras", backend, "numpy", "papermill"):
        # TensorFlow's CPU build is a package of another name.
        for name in (package, f"{package}-cpu"):
            with suppress(metadata.PackageNotFoundError):
                installed.setdefault(package, metadata.version(name))
    return installed


def as_json(run: Run) -> dict:
    """Return the content of results.json, which results.schema.json describes."""
    fields = {field: getattr(run, field) for field in RUN_FIELDS}
    started = run.started.isoformat(timespec="seconds")
    notebooks = [entry(outcome) for outcome in run.outcomes]
    return {"schema": SCHEMA, **fields, "started": started, "notebooks": notebooks}


def entry(outcome: Outcome) -> dict:
    """Return the entry of one notebook in results.json."""
    targets = [
        asdict(verdict)
        | {"value": _finite(verdict.value), "baseline": _finite(verdict.baseline), "reached": verdict.reached}
        for verdict in outcome.targets
    ]
    fields = ("name", "status", "cause", "cell", "seconds", "parameters", "metrics")
    return {field: getattr(outcome, field) for field in fields} | {"targets": targets}


def junit_xml(run: Run) -> str:
    """Return the text of junit.xml: a suite per notebook; a case for its execution and one per target."""
    suites = ElementTree.Element("testsuites", name="aelib", time=f"{run.seconds:.2f}")
    for outcome in run.outcomes:
        kinds = {"passed": None, "missed": None, "interrupted": "skipped"}
        cases = [("executes", outcome.seconds, kinds.get(outcome.status, "error"), outcome.cause, outcome.status)]
        for verdict in outcome.targets:
            kind = None if verdict.reached else "failure" if verdict.measured else "skipped"
            cases.append((verdict.metric, 0, kind, str(verdict), "TargetMissed"))
        kinds = [kind for _, _, kind, _, _ in cases]
        counts = {"errors": "error", "failures": "failure", "skipped": "skipped"}
        counts = {name: str(kinds.count(kind)) for name, kind in counts.items()} | {"tests": str(len(cases))}
        suite = ElementTree.SubElement(suites, "testsuite", counts, name=outcome.name, time=f"{outcome.seconds:.2f}")
        for name, seconds, kind, message, type_ in cases:
            attributes = {"classname": f"aelib.{outcome.name}", "name": name, "time": f"{seconds:.2f}"}
            case = ElementTree.SubElement(suite, "testcase", attributes)
            if kind:
                # XML has no control characters, not even escaped; an error message may hold terminal colors.
                message = "".join(character for character in str(message) if character.isprintable())
                ElementTree.SubElement(case, kind, message=message, type=type_)
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def verdict_text(run: Run, paint=str) -> str:
    """Return what the terminal shows at the end: a row per target, then a line per notebook with its cause if any.

    Args:
        run: the Run.
        paint: function from a status, "yes" or "NO" to the same word in color.
    """
    rows = [(outcome.name, *verdict.row) for outcome in run.outcomes for verdict in outcome.targets]
    lines = [text_table(("notebook", *COLUMNS), rows, paint), ""]
    for outcome in run.outcomes:
        cause = "" if outcome.status == "passed" else f": {outcome.cause}"
        lines.append(f"{outcome.name} {paint(outcome.status)} in {outcome.seconds:.0f} s{cause}")
    return "\n".join(lines)


def read_history(folder) -> list[dict]:
    """Return the earlier runs of a folder, the oldest first; raise UsageError where its history cannot be read."""
    path = Path(folder) / HISTORY
    try:
        history = json.loads(path.read_text(encoding="utf-8"))
        if history["schema"] != HISTORY_SCHEMA:
            raise ValueError
        for run in history["runs"]:
            notebooks = run["notebooks"]
            complete = run.keys() >= {*RUN_FIELDS} and all(one.keys() >= {*NOTEBOOK_FIELDS} for one in notebooks)
            numbers = [value for notebook in notebooks for value in notebook["metrics"].values()]
            if not complete or not all(type(number) in (int, float) for number in numbers):
                raise ValueError
        return history["runs"]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UsageError(f"{path} is not a history of runs; move it away, or choose another --out") from None


def history_entry(run: Run) -> dict:
    """Return what the history keeps of a run."""
    content = as_json(run)
    notebooks = [{field: notebook[field] for field in NOTEBOOK_FIELDS} for notebook in content["notebooks"]]
    return {field: content[field] for field in RUN_FIELDS} | {"notebooks": notebooks}


def history_json(runs: list[dict]) -> str:
    """Return the text of history.json, without the oldest of more than MAX_HISTORY_RUNS."""
    history = {"schema": HISTORY_SCHEMA, "runs": runs[-MAX_HISTORY_RUNS:]}
    return json.dumps(history, indent=1, allow_nan=False) + "\n"


def _finite(value):
    return value if value is not None and math.isfinite(value) else None
