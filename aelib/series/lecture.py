"""The `lecture` entries of series.toml in; the map from statements of the lecture to cells and metrics out.

    python -m aelib.series.lecture > docs/lecture-map.md

writes the page of the documentation.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from aelib._paths import repository_file
from aelib.series.spec import Notebook, SpecError, load_series

INTRODUCTION = """# Lecture map

Which cells of the notebooks show which statement of the lecture, and the metric that measures it. The lecture is
*Applied Deep Learning*, Chapter 8, by Ali Bereyhi, University of Toronto, Fall 2025.

A cell is named by its id. `aelib list` shows which of the metrics have targets, and their bounds. This page is
generated from [series.toml](../notebooks/series.toml) by `python -m aelib.series.lecture > docs/lecture-map.md`.
"""


@dataclass(frozen=True)
class Statement:
    """One statement, the cells of one notebook that show it, and what they measure."""

    text: str
    notebook: str
    cells: tuple[str, ...]
    metrics: tuple[str, ...]
    shown: str

    @property
    def markdown(self) -> str:
        """The row of the table of its notebook: statement, cells, and metrics or what is shown instead."""
        cells, metrics = (", ".join(f"`{name}`" for name in names) for names in (self.cells, self.metrics))
        return f"| {self.text} | {cells} | {self.shown or metrics} |"


def page(notebooks: Iterable[Notebook]) -> str:
    """Return docs/lecture-map.md: a section with a link and a table for each notebook that has statements."""
    docs = repository_file("docs")
    parts = [INTRODUCTION]
    for notebook in notebooks:
        if rows := [one.markdown for one in statements([notebook])]:
            link = os.path.relpath(notebook.path, docs).replace(os.sep, "/")
            table = "\n".join(["| statement of the lecture | cells | metrics |", "|---|---|---|", *rows])
            parts.append(f"## {notebook.title}\n\n[{notebook.path.name}]({link})\n\n{table}\n")
    return "\n".join(parts)


def statements(notebooks):
    """The Statements of spec.Notebooks, in their order; raises SpecError."""
    return [_statement(one.name, index, entry) for one in notebooks for index, entry in enumerate(one.lecture)]


def _statement(name, index, entry):
    where = f"series.toml, {name}.lecture[{index}]"
    if not isinstance(entry, dict) or set(entry) - {"text", "cells", "metrics", "shown"}:
        raise SpecError(f"{where}: allowed are text, cells, and metrics or shown; received {entry!r}")
    text, shown = entry.get("text"), entry.get("shown", "")
    cells, metrics = entry.get("cells", []), entry.get("metrics", [])
    lists = all(isinstance(one, list) and all(isinstance(item, str) for item in one) for one in (cells, metrics))
    if not (isinstance(text, str) and text and isinstance(shown, str) and lists and cells and (metrics or shown)):
        raise SpecError(f"{where}: needs a text, the ids of cells, and the names of metrics or what is shown instead")
    return Statement(text, name, tuple(cells), tuple(metrics), shown)


if __name__ == "__main__":
    print(page(load_series().values()), end="")
