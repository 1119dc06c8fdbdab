"""Judge the execution of a notebook by what the kernel replied, whatever the notebook says of itself."""

import math
import re
import signal
from dataclasses import dataclass, field

from nbformat import NotebookNode

from aelib.series.spec import Notebook
from aelib.series.verdict import TargetVerdict, judge, read_record, status_of

EXIT_CODES = {"passed": 0, "missed": 1, "failed": 3, "timeout": 3, "interrupted": 3}


@dataclass(frozen=True)
class Plan:
    """A notebook to execute: its document as document.read returns it, and all parameter values."""

    notebook: Notebook
    document: NotebookNode
    parameters: dict

    @property
    def folders(self) -> list[str]:
        """The folders among the values: the user's own, so that they are not published."""
        names = [parameter.name for parameter in self.notebook.parameters.values() if parameter.type == "folder"]
        return [self.parameters[name] for name in names if self.parameters.get(name)]

    @property
    def published_parameters(self) -> dict:
        """The values as a report shows them."""
        return {name: "…" if value in self.folders else value for name, value in self.parameters.items()}

    @property
    def cells(self) -> list[int]:
        """Indices of the cells that must run: code that is not empty."""
        cells = enumerate(self.document.cells)
        return [index for index, cell in cells if cell.cell_type == "code" and cell.source.strip()]


@dataclass
class ExecutionRecord:
    """What the worker process reported of an execution, and how it ended.

    `started` is the cell that was begun last, `exitcode` that of a kernel that died, `end` the error that ended the
    worker's work, `stopped` "deadline" or the name of a signal if the run ended it, `log` the worker's last words.
    """

    started: int | None = None
    replies: list[dict] = field(default_factory=list)
    exitcode: int | None = None
    end: dict | None = None
    stopped: str | None = None
    log: str = ""
    seconds: float = 0.0

    def update(self, event: dict):
        """Take over an event of the worker: the reply to a cell, or the new value of another field."""
        if "reply" in event:
            self.replies.append(event["reply"])
        else:
            vars(self).update(event)

    @property
    def done(self) -> list[int]:
        """Indices of the source's cells that the kernel answered "ok", in the order of its replies."""
        return [reply["cell"] for reply in self.replies if reply["status"] == "ok" and reply["cell"] is not None]


@dataclass(frozen=True)
class Outcome:
    """One notebook's entry in results.json; `cell` is an index in the source notebook."""

    name: str
    status: str
    cause: str | None
    cell: int | None
    seconds: float
    parameters: dict
    metrics: dict
    targets: list[TargetVerdict]
    published: bool = True

    @property
    def exit_code(self) -> int:
        """The exit code of a run of this notebook alone."""
        return EXIT_CODES[self.status]


def outcome_of(plan: Plan, run_id: str, record: ExecutionRecord, deadline: float | None = None) -> Outcome:
    """Return the Outcome of an execution, whose metrics must belong to the run of this id; deadline in seconds."""
    name, profile = plan.notebook.name, plan.parameters["profile"]
    metrics, complaint = _recorded_metrics(name, profile, run_id, record)
    targets = judge(metrics, plan.notebook.profiles[profile].targets)
    status, cause, cell = _interruption(plan.cells, record, deadline)
    if status is None:
        status, cause = status_of(targets)
        if complaint and targets:  # what has no targets, such as worked solutions, hands over no metrics
            status, cause = "failed", "; ".join(filter(None, (complaint, cause)))
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    return Outcome(name, status, cause, cell, round(record.seconds, 2), plan.published_parameters, finite, targets)


def _interruption(expected, record, deadline):
    """Return status, cause and cell of an execution that did not reach its end in order; else None three times."""
    ended_well = record.end is not None and record.end["ename"] is None
    if ended_well and record.done == expected:
        return None, None, None
    began = record.started
    cell = began if began not in [reply["cell"] for reply in record.replies] else None  # begun and not answered
    where = f"cell {cell}" if cell is not None else "no cell" if not record.replies else "the end of the notebook"
    if record.stopped == "deadline":
        return "timeout", f"the deadline of {deadline:g} s came in {where}", cell
    if record.stopped:
        return "interrupted", f"{record.stopped} came in {where}", cell
    for reply in record.replies:
        if reply["status"] != "ok":
            verb = "left the notebook early," if reply["ename"] == "SystemExit" else "raised"
            cause = f"cell {reply['cell']} {verb} {reply['ename']}: {_one_line(reply['evalue'])}"
            return "failed", cause, reply["cell"]
    if record.exitcode is not None or (record.end or {}).get("ename") == "DeadKernelError":
        return "failed", f"the kernel died in {where}{_exit_reason(record.exitcode)}", cell
    if record.end is None:
        return "failed", f"the worker process died in {where}; its last words: {record.log or 'none'}", cell
    if not ended_well:
        return "failed", f"{record.end['ename']} in {where}: {_one_line(record.end['evalue'])}", cell
    skipped = next((index for index in expected if index not in record.done), None)
    if skipped is None:
        return "failed", f"the cells were executed in the order {record.done}, not {expected}", None
    return "failed", f"cell {skipped} was not executed (is it tagged to be skipped?)", skipped


def _one_line(message):
    lines = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", str(message)).splitlines() if line.strip()] or [""]
    # Keras puts the name of the layer in front of what a layer raises, and what it raises into the next line.
    wrapped = lines[0].startswith("Exception encountered when calling")
    return " ".join(lines[: 2 if wrapped else 1]).strip()[:300]


def _exit_reason(exitcode):
    if exitcode is None:
        return ""
    if exitcode >= 0:
        return f": it left with exit status {exitcode}"
    names = {known.value: known.name for known in signal.Signals}
    name = names.get(-exitcode, f"signal {-exitcode}")
    return f": killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _recorded_metrics(name, profile, run_id, record):
    """Return the metrics that the notebook handed over in this run, and what is wrong with them, if anything."""
    records = [item for reply in record.replies if reply["status"] == "ok" for item in reply["records"]]
    fresh = [item for item in records if isinstance(item, dict) and item.get("run_id") == run_id]
    fresh = [item for item in fresh if item.get("notebook") == name]
    if not fresh:
        stale = " (what it shows is of another run or notebook)" if records else ""
        return {}, f"no metrics of this run were recorded; does {name} end in check(...)?{stale}"
    if len(fresh) > 1:
        return {}, f"metrics were recorded {len(fresh)} times; once is allowed"
    if fresh[0].get("profile") != profile:
        return {}, f"check(...) was called for the profile {fresh[0].get('profile')!r}, not {profile!r}"
    try:
        return read_record(fresh[0]), None
    except ValueError as error:
        return {}, f"the recorded metrics cannot be read: {error}"
