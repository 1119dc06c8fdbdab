"""What was seen of a notebook's execution in; its verdict out. The notebook's own word counts for nothing."""

import math
import re
import signal
from dataclasses import dataclass, field

from aelib.series.verdict import judge, read_record

SEVERITY = {"passed": 0, "missed": 1, "failed": 3, "timeout": 3, "interrupted": 3}


@dataclass
class Trace:
    """What the worker reported; `stopped` is "deadline" or the name of a signal where the run ended it."""

    started: int | None = None
    replies: list[dict] = field(default_factory=list)
    exitcode: int | None = None
    end: dict | None = None
    stopped: str | None = None
    log: str = ""
    seconds: float = 0.0

    def take(self, event):
        """Note one event of the worker."""
        kind = event.pop("event")
        if kind == "started":
            self.started = event["cell"]
        elif kind == "replied":
            self.replies.append(event)
        elif kind == "dead":
            self.exitcode = event["exitcode"]
        elif kind == "end":
            self.end = event

    @property
    def done(self):
        """Indices of the source's cells that the kernel answered "ok", in the order of its replies."""
        return [one["cell"] for one in self.replies if one["status"] == "ok" and one["cell"] is not None]

    @property
    def broken(self):
        """Indices of the cells that were begun and not answered "ok"."""
        begun = {one["cell"] for one in self.replies} | {self.started}
        return begun - {None, *self.done}

    @property
    def open_cell(self):
        """The cell that was begun and not answered at all, or None."""
        return self.started if self.started not in [one["cell"] for one in self.replies] else None


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
    targets: list
    published: bool = True

    @property
    def exit_code(self):
        return SEVERITY[self.status]


def conclude(notebook, parameters, run_id, expected, trace, deadline=None):
    """The Outcome of a notebook, of which the cells `expected` had to be executed in that order."""
    profile = notebook.profiles[parameters["profile"]]
    metrics, complaint = _fresh_metrics(notebook.name, profile.name, run_id, trace)
    judged = judge(metrics, profile.targets)
    status, cause, cell = _ending(expected, trace, deadline)
    if status is None:
        unmeasured = [str(one) for one in judged if not one.measured]
        missed = [str(one) for one in judged if one.measured and not one.reached]
        status = "failed" if complaint or unmeasured else "missed" if missed else "passed"
        cause = "; ".join([*filter(None, [complaint]), *unmeasured, *missed]) or None
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    return Outcome(notebook.name, status, cause, cell, round(trace.seconds, 2), parameters, finite, judged)


def _ending(expected, trace, deadline):
    ended_well = trace.end is not None and trace.end["ename"] is None
    if ended_well and trace.done == expected:
        return None, None, None
    cell = trace.open_cell
    where = f"cell {cell}" if cell is not None else "no cell" if not trace.replies else "the end of the notebook"
    if trace.stopped == "deadline":
        return "timeout", f"the deadline of {deadline:g} s came in {where}", cell
    if trace.stopped:
        return "interrupted", f"{trace.stopped} came in {where}", cell
    for reply in trace.replies:
        if reply["status"] != "ok":
            error = f"{reply['ename']}: {_one_line(reply['evalue'])}"
            left = "left the notebook early, " if reply["ename"] == "SystemExit" else ""
            return "failed", f"cell {reply['cell']} {left or 'raised '}{error}", reply["cell"]
    if trace.exitcode is not None or (trace.end or {}).get("ename") == "DeadKernelError":
        return "failed", f"the kernel died in {where}{_how(trace.exitcode)}", cell
    if trace.end is None:
        return "failed", f"the worker process died in {where}; its last words: {trace.log or 'none'}", cell
    if not ended_well:
        return "failed", f"{trace.end['ename']} in {where}: {_one_line(trace.end['evalue'])}", cell
    skipped = next((index for index in expected if index not in trace.done), None)
    if skipped is None:
        return "failed", f"the cells were executed in the order {trace.done}, not {expected}", None
    return "failed", f"cell {skipped} was not executed (is it tagged to be skipped?)", skipped


def _one_line(message):
    lines = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", str(message)).splitlines() if line.strip()] or [""]
    # Keras puts the name of the layer in front of what a layer raises, and what it raises into the next line.
    wrapped = lines[0].startswith("Exception encountered when calling")
    return " ".join(lines[: 2 if wrapped else 1]).strip()[:300]


def _how(exitcode):
    if exitcode is None:
        return ""
    if exitcode >= 0:
        return f": it left with exit status {exitcode}"
    name = next((one.name for one in signal.Signals if one == -exitcode), f"signal {-exitcode}")
    return f": killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _fresh_metrics(name, profile, run_id, trace):
    records = [one for reply in trace.replies if reply["status"] == "ok" for one in reply["records"]]
    fresh = [one for one in records if isinstance(one, dict) and one.get("run_id") == run_id]
    fresh = [one for one in fresh if one.get("notebook") == name]
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
