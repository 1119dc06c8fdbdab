"""The entries of a sweep in; one table of them, as CSV and Parquet, and a picture of the targets, out."""

import io
import math
from collections import Counter

from aelib.series import publish as files
from aelib.series.verdict import judge, text_table

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")  # Okabe and Ito
MARKERS = "os^Dv*"
LINES = 60  # of a table on the terminal


def row(point, entry):
    """One line of the table: what was asked, how it ended, and a column per metric."""
    ends = {"status": entry["status"], "cause": entry["cause"] or "", "seconds": entry["seconds"]}
    asked = {"notebook": entry["name"], "backend": point.backend, **point.parameters}
    return {**asked, **ends, **{f"metric.{name}": value for name, value in entry["metrics"].items()}}


def metrics(row):
    """{name: value} of the metrics in a line of the table."""
    return {name.removeprefix("metric."): value for name, value in row.items() if name.startswith("metric.")}


def publish(folder, notebook, profile, rows, varied):
    """Put NAME.csv, NAME.parquet and NAME.png into the folder; raises OSError."""
    import pandas

    frame = pandas.DataFrame(rows)
    files.write(folder, f"{notebook.name}.csv", frame.to_csv(index=False))
    files.write(folder, f"{notebook.name}.parquet", frame.to_parquet(index=False))
    files.write(folder, f"{notebook.name}.png", picture(notebook, profile, rows, varied))


def picture(notebook, profile, rows, varied):
    """A panel per target, the metric over what was varied first, with bound and baseline: the bytes of a PNG."""
    from matplotlib.figure import Figure

    targets = notebook.profiles[profile].targets
    across, groups = _axes(varied)
    figure = Figure(figsize=(4.2 * min(3, len(targets)), 3.2 * math.ceil(len(targets) / 3)), layout="constrained")
    panels = figure.subplots(math.ceil(len(targets) / 3), min(3, len(targets)), squeeze=False).ravel()
    measured = [metrics(row) for row in rows]
    for panel, target in zip(panels, targets, strict=False):
        _panel(panel, [judge(one, [target])[0] for one in measured], varied, across, groups)
    for panel in panels[len(targets) :]:
        panel.set_axis_off()
    signs = {label: sign for panel in panels for sign, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    if signs:
        panels[0].legend(signs.values(), signs.keys(), fontsize="small")
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=120)
    return data.getvalue()


def text(rows, varied, paint=str):
    """Return a line per point for the terminal, without the metrics; of many, only the first that missed or failed.

    Args:
        rows: the lines of the table, as `row` makes them.
        varied: what was varied in each of them.
        paint: function from a status to the same word in color.
    """
    chosen = list(zip(rows, varied, strict=True))
    if len(rows) > LINES:
        chosen = [(row, point) for row, point in chosen if row["status"] != "passed"][:LINES]
    lines = [(*point.values(), row["status"], f"{row['seconds']:.0f} s", row["cause"][:100]) for row, point in chosen]
    counts = Counter(row["status"] for row in rows)
    summary = ", ".join(f"{count} {paint(status)}" for status, count in counts.items())
    if not lines:
        return summary
    head, line, *table = text_table((*varied[0], "status", "time", "cause"), lines).split("\n")
    # Painted once the columns are aligned: the codes of a color have a length.
    left = head.rindex("status")
    for index, (row, _) in enumerate(chosen):
        right = left + len(row["status"])
        table[index] = table[index][:left] + paint(row["status"]) + table[index][right:]
    return "\n".join([head, line, *table, "", summary])


def _axes(varied):
    """What goes along the panels: the first thing varied but backend and seed; and what tells the groups apart."""
    several = [name for name in varied[0] if len({one[name] for one in varied}) > 1]
    across = next((name for name in several if name not in ("backend", "seed")), None)
    across = across or next((name for name in several if name != "backend"), None)
    return across, [name for name in several if name not in (across, "seed")]


def _panel(panel, judged, varied, across, groups):
    target = judged[0].target
    places = _places([one.get(across, "") for one in varied])
    kinds = list(dict.fromkeys(tuple(one[name] for name in groups) for one in varied))
    for index, kind in enumerate(kinds):
        chosen = [i for i, one in enumerate(varied) if tuple(one[name] for name in groups) == kind]
        chosen = [i for i in chosen if judged[i].value is not None]
        panel.plot(
            [places[i] for i in chosen],
            [judged[i].value for i in chosen],
            MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)],
            alpha=0.7,
            label=", ".join(f"{name} {value}" for name, value in zip(groups, kind, strict=True)),
        )
    beside = [(place, one.baseline) for place, one in zip(places, judged, strict=True) if one.baseline is not None]
    if beside:
        panel.plot(*zip(*beside, strict=True), "_", color="gray", label="baseline")
    panel.axhline(target.bound, color="black", linewidth=1)
    place = {"xy": (0.02, target.bound), "xycoords": ("axes fraction", "data")}
    panel.annotate(f"target {target.bound:g}", **place, xytext=(0, 3), textcoords="offset points", fontsize=8)
    panel.margins(y=0.12)
    panel.set_title(target.metric)
    panel.set_xlabel(across or "")
    if not all(isinstance(value, float) for value in places):
        panel.set_xticks(places, [one.get(across, "") for one in varied])
    elif min(places) > 0 and max(places) > 30 * min(places):
        panel.set_xscale("log")


def _places(texts):
    try:
        return [float(text) for text in texts]
    except ValueError:
        order = list(dict.fromkeys(texts))
        return [order.index(text) for text in texts]
