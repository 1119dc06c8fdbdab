"""Metrics and targets in; judged targets out. `check` shows them and hands the numbers to the run."""

import math
import numbers
import os
from dataclasses import dataclass
from html import escape

from aelib.series.spec import Target, load_series

METRICS_MIME = "application/vnd.aelib.metrics+json"
COLUMNS = ("metric", "value", "target", "baseline", "reached")


class TargetMissed(AssertionError):
    """A notebook's metrics do not reach its targets; one line per target that is not reached."""


@dataclass(frozen=True)
class Judged:
    """A target beside the value that was measured, which is None where the metric is missing."""

    target: Target
    value: float | None
    baseline: float | None

    @property
    def measured(self):
        """Whether there is a finite value to judge."""
        return self.value is not None and math.isfinite(self.value)

    @property
    def reached(self):
        return self.measured and bool(self.target.reached_by(self.value))

    @property
    def row(self):
        """The cells under COLUMNS, as text."""
        target = f"{_sign(self.target.op)} {number(self.target.bound)}"
        return (
            self.target.metric,
            number(self.value),
            target,
            number(self.baseline),
            "yes" if self.reached else "NO",
        )

    def __str__(self):
        bound = f"{self.target.op} {number(self.target.bound)}"
        if not self.measured:
            what = "is missing" if self.value is None else f"is {number(self.value)}"
            return f"{self.target.metric} {what}; the target is {bound}"
        gap = abs(self.value - self.target.bound)
        side = "reached" if self.reached else "missed"
        return f"{self.target.metric} = {number(self.value)} {side} its target {bound} by {number(gap)}"


def judge(metrics, targets):
    """A Judged per target, in the targets' order. metrics: {name: float}, finite or not."""
    return [Judged(target, metrics.get(target.metric), _baseline(target.baseline, metrics)) for target in targets]


def check(notebook, metrics, *, profile="standard"):
    """Show a notebook's metrics beside their targets, and refuse metrics that do not reach them.

    Called in the last code cell of a notebook of the series. Under `python -m aelib run` it only shows and
    hands over the numbers: the run judges them itself, so that it can publish what was missed.

    Args:
        notebook: name in notebooks/series.toml, for example "01_compression".
        metrics: {name: real number}; NumPy scalars are welcome.
        profile: "quick", "standard" or "full": the notebook's parameter of that name.

    Raises:
        TargetMissed: a metric with a target is missing, not finite, or on the wrong side.
        ValueError: no such notebook or profile.
        TypeError: a metric is not a real number.
    """
    series = load_series()
    if notebook not in series:
        raise ValueError(f"notebook must be one of {', '.join(series)}; received {notebook!r}")
    profiles = series[notebook].profiles
    if profile not in profiles:
        raise ValueError(f"profile must be one of {', '.join(profiles)}; received {profile!r}")
    metrics = {name: _real(name, value) for name, value in metrics.items()}
    judged = judge(metrics, profiles[profile].targets)
    run_id = os.environ.get("AELIB_RUN_ID")
    _show(judged, metrics, {"notebook": notebook, "profile": profile, "run_id": run_id})
    missed = [str(one) for one in judged if not one.reached]
    if missed and not run_id:
        raise TargetMissed("\n".join(missed))


def number(value):
    """A number as text of four significant digits; an empty text for None."""
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def text_table(header, rows):
    """Rows of texts as lines of aligned columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, tuple("-" * width for width in widths), *rows]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def record(metrics, about):
    """What is emitted under METRICS_MIME; JSON has no NaN, so such values travel as text."""
    return about | {"metrics": {k: v if math.isfinite(v) else str(v) for k, v in metrics.items()}}


def read_record(data):
    """The metrics of an emitted record as floats; raises ValueError where it holds anything else."""
    metrics = data.get("metrics") if isinstance(data, dict) else None
    if not isinstance(metrics, dict):
        raise ValueError("the record holds no metrics")
    for name, value in metrics.items():
        if type(value) not in (int, float) and value not in ("nan", "inf", "-inf"):
            raise ValueError(f"{name} is {str(value)[:40]!r}, not a number")
    return {name: float(value) for name, value in metrics.items()}


def _show(judged, metrics, about):
    aimed = {one.target.metric for one in judged}
    rows = [one.row for one in judged]
    rows += [(name, number(value), "", "", "") for name, value in metrics.items() if name not in aimed]
    text = text_table(COLUMNS, rows)
    try:
        from IPython.display import display
    except ImportError:
        print(text)
        return
    data = {"text/plain": text, "text/html": _html_table(rows), METRICS_MIME: record(metrics, about)}
    display(data, raw=True)


def _html_table(rows):
    head = "".join(f'<th scope="col">{column}</th>' for column in COLUMNS)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _baseline(baseline, metrics):
    return metrics.get(baseline) if isinstance(baseline, str) else baseline


def _sign(op):
    return {"<=": "≤", ">=": "≥"}[op]


def _real(name, value):
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"metric {name} must be a real number; received {value!r}")
    return float(value)
