"""The table of a sweep: CSV, Parquet, a plot of the targets, and a summary for the terminal."""

import io
import math
from collections import Counter
from itertools import cycle

from aelib._files import write_atomically
from aelib.series.outcome import EXIT_CODES
from aelib.series.verdict import text_table

MARKERS = "os^Dv*X"
MAX_LINES = 60  # of the summary


def row(point, entry) -> dict:
    """Return a point's row of the table: what was asked, how it ended, and a column per metric."""
    asked = {"notebook": entry["name"], "backend": point.backend, **point.parameters}
    end = {"status": entry["status"], "cause": entry["cause"] or "", "seconds": entry["seconds"]}
    return {**asked, **end, **{f"metric.{name}": value for name, value in entry["metrics"].items()}}


def exit_code(rows) -> int:
    """Return the exit code, as of a run: 0 every target reached, 1 a target missed, 3 a point did not finish."""
    return max((EXIT_CODES[row["status"]] for row in rows), default=0)


def publish(folder, name, targets, rows, axes) -> None:
    """Write NAME.csv, NAME.parquet and NAME.png; raise OSError. axes: names of the grid's axes."""
    import pandas
    from matplotlib import style

    frame = pandas.DataFrame(rows)
    write_atomically(folder / f"{name}.csv", frame.to_csv(index=False))
    write_atomically(folder / f"{name}.parquet", frame.to_parquet(index=False))
    with style.context("default"):  # whatever the user's matplotlibrc says
        write_atomically(folder / f"{name}.png", plot(frame, targets, axes))


def plot(frame, targets, axes) -> bytes:
    """Return a PNG with a panel per target: its metric over an axis of the grid, the bound and the baseline."""
    import numpy as np

    from aelib import plots

    varied = [name for name in axes if frame[name].nunique() > 1] or axes[:1]
    x, *others = sorted(varied, key=lambda name: {"seed": 1, "backend": 2}.get(name, 0))
    hue = [name for name in others if name != "seed"]
    numeric = frame[x].dtype.kind in "if"
    frame = frame if numeric else frame.astype({x: str})
    groups = list(frame.groupby(hue, sort=False)) if hue else [((), frame)]
    alt = f"The metrics with a target over {x}, each with its target and baseline; the values are in the table."
    figure, panels = plots.axes(len(targets), size=(plots.MAX_WIDTH, 2.4), alt=alt, squeeze=False, sharex=True)
    for panel, target in zip(panels.flat, targets, strict=True):
        for (values, group), color, marker in zip(groups, cycle(plots.COLORS), cycle(MARKERS), strict=False):
            label = ", ".join(f"{name} {value}" for name, value in zip(hue, values, strict=True))
            metric = group.get(f"metric.{target.metric}", [math.nan] * len(group))
            panel.plot(group[x], metric, marker, color=color, alpha=0.7, label=label)
        named = isinstance(target.baseline, str)
        baseline = frame.get(f"metric.{target.baseline}") if named else target.baseline
        if baseline is not None:
            panel.plot(frame[x], np.full(len(frame), baseline), "_", color="black", label="baseline")
        panel.axhline(target.bound, color="black", linewidth=1, label="target")
        panel.set_title(f"{target.metric}, target {target.op} {target.bound:g}", fontsize=10)
    panel.set_xlabel(x)
    if numeric and frame[x].min() > 0 and frame[x].max() > 30 * frame[x].min():
        panel.set_xscale("log")
    labeled = [pair for panel in panels.flat for pair in zip(*panel.get_legend_handles_labels(), strict=True)]
    legend = {label: handle for handle, label in labeled}
    figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=2)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=144)
    return png.getvalue()


def summary(rows, grid_values, paint=str) -> str:
    """Return a line per point, without the metrics; of many points, only the first that did not pass.

    Args:
        rows: rows of the table.
        grid_values: {axis: value} of each row.
        paint: function from a status to the same word in color.
    """
    points = list(zip(rows, grid_values, strict=True))
    if len(rows) > MAX_LINES:
        points = [(row, values) for row, values in points if row["status"] != "passed"][:MAX_LINES]
    counts = Counter(row["status"] for row in rows)
    total = ", ".join(f"{count} {paint(status)}" for status, count in counts.items())
    if not points:
        return total
    cells = [(*values.values(), row["status"], f"{row['seconds']:.0f} s", row["cause"][:100]) for row, values in points]
    return text_table((*grid_values[0], "status", "time", "cause"), cells, paint, painted=-3) + f"\n\n{total}"
