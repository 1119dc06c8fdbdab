"""The outcomes of a run in; results.json and junit.xml for machines, and the table for the terminal, out."""

import json
import platform
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from xml.etree import ElementTree

from aelib.series.outcome import Outcome
from aelib.series.verdict import COLUMNS, text_table

SCHEMA = "aelib.results/1"


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
    def exit_code(self):
        return max((outcome.exit_code for outcome in self.outcomes), default=0)


def versions(backend):
    """{package: version} of what decides the numbers."""
    found = {"python": platform.python_version()}
    for package in ("aelib", "keras", backend, "numpy", "papermill"):
        # TensorFlow's CPU build is a package of another name.
        for name in (package, f"{package}-cpu"):
            with suppress(metadata.PackageNotFoundError):
                found.setdefault(package, metadata.version(name))
    return found


def as_json(run):
    """What results.json says, as results.schema.json has it."""
    return {
        "schema": SCHEMA,
        "run_id": run.run_id,
        "profile": run.profile,
        "backend": run.backend,
        "versions": run.versions,
        "started": run.started.isoformat(timespec="seconds"),
        "seconds": run.seconds,
        "notebooks": [entry(outcome) for outcome in run.outcomes],
    }


def results_json(run):
    """The text of results.json."""
    return json.dumps(as_json(run), indent=2, allow_nan=False)


def junit_xml(run):
    """The text of junit.xml: a suite per notebook; a case for its execution and one per target."""
    suites = ElementTree.Element("testsuites", name="aelib", time=f"{run.seconds:.2f}")
    for outcome in run.outcomes:
        suite = ElementTree.SubElement(suites, "testsuite", name=outcome.name, time=f"{outcome.seconds:.2f}")
        case = _case(suite, outcome, "executes", outcome.seconds)
        bad = [one for one in outcome.targets if not one.reached]
        if outcome.status not in ("passed", "missed"):
            kind = "skipped" if outcome.status == "interrupted" else "error"
            ElementTree.SubElement(case, kind, message=_printable(outcome.cause), type=outcome.status)
        for one in outcome.targets:
            case = _case(suite, outcome, one.target.metric, 0)
            if one in bad:
                kind = "failure" if one.measured else "skipped"
                ElementTree.SubElement(case, kind, message=_printable(str(one)), type="TargetMissed")
        for kind, tag in (("errors", "error"), ("failures", "failure"), ("skipped", "skipped")):
            suite.set(kind, str(len(suite.findall(f"testcase/{tag}"))))
        suite.set("tests", str(len(suite)))
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def verdict_text(run, paint=str):
    """Return what the terminal shows at the end: a row per target, then a line per notebook with its cause if any.

    Args:
        run: the Run.
        paint: function from a status, "yes" or "NO" to the same word in color.
    """
    rows = [(outcome.name, *one.row) for outcome in run.outcomes for one in outcome.targets]
    # Painted once the columns are aligned: the codes of a color have a length.
    head, line, *table = text_table(("notebook", *COLUMNS), rows).split("\n")
    lines = [head, line]
    lines += [text.removesuffix(row[-1]) + paint(row[-1]) for text, row in zip(table, rows, strict=True)]
    lines.append("")
    for outcome in run.outcomes:
        cause = "" if outcome.status == "passed" else f": {outcome.cause}"
        lines.append(f"{outcome.name} {paint(outcome.status)} in {outcome.seconds:.0f} s{cause}")
    return "\n".join(lines)


def entry(outcome):
    """What results.json says of one notebook."""
    targets = [
        {
            "metric": one.target.metric,
            "op": one.target.op,
            "target": one.target.bound,
            "value": one.value if one.measured else None,
            "baseline": one.baseline,
            "reached": one.reached,
        }
        for one in outcome.targets
    ]
    fields = ("name", "status", "cause", "cell", "seconds", "parameters", "metrics")
    return {name: getattr(outcome, name) for name in fields} | {"targets": targets}


def _case(suite, outcome, name, seconds):
    return ElementTree.SubElement(
        suite, "testcase", classname=f"aelib.{outcome.name}", name=name, time=f"{seconds:.2f}"
    )


def _printable(text):
    # XML has no control characters, not even escaped; an error message may hold terminal colours.
    return "".join(character for character in str(text) if character.isprintable())
