"""Judge metrics by targets; `check` does so at the end of a notebook, and hands the metrics to the run."""

import math
import numbers
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from aelib.series.spec import Target, check_profile, notebook_named

METRICS_MIME = "application/vnd.aelib.metrics+json"
COLUMNS = ("metric", "value", "target", "baseline", "reached")


class TargetMissed(AssertionError):
    """A notebook's metrics do not reach its targets; one line per target that is not reached."""


@dataclass(frozen=True)
class TargetVerdict:
    """A target and what was measured: `value` is None where it is missing; `baseline` is NaN where it is missing, and
    None where the target has none.
    """

    metric: str
    op: str
    target: float
    value: float | None
    baseline: float | None

    @property
    def measured(self) -> bool:
        """Whether there are a finite value and, where the target has a baseline, a finite baseline."""
        if self.value is None or not math.isfinite(self.value):
            return False
        return self.baseline is None or math.isfinite(self.baseline)

    @property
    def within_bound(self) -> bool:
        """Whether the value is finite and on the right side of the bound."""
        if self.value is None or not math.isfinite(self.value):
            return False
        return bool(self.value <= self.target if self.op == "<=" else self.value >= self.target)

    @property
    def beats_baseline(self) -> bool:
        """Whether the value is strictly better than the baseline, or the target has none."""
        if self.baseline is None:
            return True
        if self.value is None or not self.measured:
            return False
        return bool(self.value < self.baseline if self.op == "<=" else self.value > self.baseline)

    @property
    def reached(self) -> bool:
        """Whether the value is within the bound and beats the baseline."""
        return self.within_bound and self.beats_baseline

    @property
    def row(self) -> tuple[str, ...]:
        """The cells of a table with COLUMNS."""
        target = f"{'≤' if self.op == '<=' else '≥'} {number(self.target)}"
        reached = "yes" if self.reached else "NO"
        return self.metric, number(self.value), target, number(self.baseline), reached

    def __str__(self):
        value, bound = number(self.value), f"{self.op} {number(self.target)}"
        if self.value is None or not math.isfinite(self.value):
            return f"{self.metric} is {value or 'missing'}; the target is {bound}"
        if not self.measured:
            return f"{self.metric} = {value} has no finite baseline to beat; the target is {bound}"
        gap = number(abs(self.value - self.target))
        text = f"{self.metric} = {value} {'reached' if self.within_bound else 'missed'} its target {bound} by {gap}"
        if self.beats_baseline:
            return text
        side = "below" if self.op == "<=" else "above"
        return f"{text} {'but' if self.within_bound else 'and'} is not {side} its baseline {number(self.baseline)}"


def judge(metrics: dict, targets: Iterable[Target]) -> list[TargetVerdict]:
    """Return a TargetVerdict per target, in the targets' order. metrics: {name: float}, finite or not."""

    def verdict(target):
        baseline = metrics.get(target.baseline, math.nan) if isinstance(target.baseline, str) else target.baseline
        return TargetVerdict(target.metric, target.op, target.bound, metrics.get(target.metric), baseline)

    return [verdict(target) for target in targets]


def status_of(verdicts: list[TargetVerdict]) -> tuple[str, str | None]:
    """Return "passed", "missed" or, where a value or baseline is missing or not finite, "failed"; and the cause."""
    not_measured = [str(verdict) for verdict in verdicts if not verdict.measured]
    missed = [str(verdict) for verdict in verdicts if verdict.measured and not verdict.reached]
    status = "failed" if not_measured else "missed" if missed else "passed"
    return status, "; ".join(not_measured + missed) or None


def check(notebook: str, metrics: dict, *, profile: str = "standard") -> None:
    """Show a notebook's metrics beside their targets, and refuse metrics that do not reach them.

    Called in the last code cell of a notebook of the series. Under `aelib run` it only shows and hands over the
    numbers: the run judges them itself, so that it can publish what was missed.

    Args:
        notebook: name in notebooks/series.toml, for example "01_compression".
        metrics: {name: real number}; NumPy scalars are welcome.
        profile: "quick", "standard" or "full": the notebook's parameter of that name.

    Raises:
        TargetMissed: a metric with a target, or its baseline, is missing or not finite; or the metric is on the wrong
            side of the bound, or no better than the baseline.
        ValueError: no such notebook or profile.
        TypeError: a metric is not a real number.
    """
    profiles = notebook_named(notebook).profiles
    check_profile(profile)
    metrics = {name: _real(name, value) for name, value in metrics.items()}
    verdicts = judge(metrics, profiles[profile].targets)
    run_id = os.environ.get("AELIB_RUN_ID")
    # JSON has no NaN, so such values travel as text.
    values = {name: value if math.isfinite(value) else str(value) for name, value in metrics.items()}
    _show(verdicts, metrics, {"notebook": notebook, "profile": profile, "run_id": run_id, "metrics": values})
    missed = [str(verdict) for verdict in verdicts if not verdict.reached]
    if missed and not run_id:
        raise TargetMissed("\n".join(missed))


def number(value: float | None) -> str:
    """Return a number with four significant digits, an integer as it is; an empty text for None."""
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def text_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], paint: Callable[[str], str] = str, painted: int = -1
) -> str:
    """Return rows of texts as lines of aligned columns, with `paint` applied to the texts of the column `painted`."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = []
    for row in (header, ["-" * width for width in widths], *rows):
        cells = list(map(str.ljust, row, widths))
        cells[painted] = cells[painted].replace(row[painted], paint(row[painted]), 1)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def read_record(data: dict) -> dict[str, float]:
    """Return the metrics that `check` handed over; raise ValueError where there is anything else."""
    metrics = data.get("metrics")
    if not isinstance(metrics, dict):
        raise ValueError("the record holds no metrics")
    for name, value in metrics.items():
        if type(value) not in (int, float) and value not in ("nan", "inf", "-inf"):
            raise ValueError(f"{name} is {str(value)[:40]!r}, not a number")
    return {name: float(value) for name, value in metrics.items()}


def _show(verdicts, metrics, record):
    targeted = {verdict.metric for verdict in verdicts}
    rows = [verdict.row for verdict in verdicts]
    rows += [(name, number(value), "", "", "") for name, value in metrics.items() if name not in targeted]
    text = text_table(COLUMNS, rows)
    try:
        from IPython.display import display
    except ImportError:
        print(text)
        return
    display({"text/plain": text, "text/html": _html_table(rows), METRICS_MIME: record}, raw=True)


def _html_table(rows):
    head = "".join(f'<th scope="col">{column}</th>' for column in COLUMNS)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _real(name, value):
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"metric {name} must be a real number; received {value!r}")
    return float(value)
