"""A Plan in; its notebook executed in a folder of its own, and what was seen of it with the Outcome, out."""

import threading
from dataclasses import dataclass, replace

from aelib.series import document
from aelib.series.outcome import Trace, conclude
from aelib.series.spec import Notebook
from aelib.series.supervisor import execute


@dataclass(frozen=True)
class Plan:
    """One notebook about to be executed."""

    notebook: Notebook
    document: dict
    parameters: dict
    cells: list[int]


class Stop(threading.Event):
    """Set by the first signal that asks the run to end, which it keeps."""

    signal = None


def attempt(each, run_id, backend, place, stop, deadline=None, note=lambda done: None, without=()):
    """Execute a Plan in `place`, a folder that is there; `note` hears how many cells are done, and the
    notebook does not get the environment variables named in `without`.

    Returns:
        (the Trace, the Outcome, the source as it was executed). Paths of the machine are hidden in the cause.
    """
    trace, source = Trace(), document.stripped(each.document)
    for event in execute(source, each.parameters, run_id, backend, place, stop, deadline, trace, without):
        if event == "replied" and trace.done and trace.replies[-1]["cell"] == trace.done[-1]:
            note(len(trace.done))
    outcome = conclude(each.notebook, each.parameters, run_id, each.cells, trace, deadline)
    if outcome.cause:
        outcome = replace(outcome, cause=document.hidden(outcome.cause, document.private(place.parent)))
    return trace, outcome, source
