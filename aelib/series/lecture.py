"""The `lecture` entries of series.toml in; the map from statements of the lecture to cells and metrics out."""

from dataclasses import dataclass

from aelib.series.spec import SpecError

HEADER = ("statement of the lecture", "notebook and cell", "metric")


@dataclass(frozen=True)
class Statement:
    """One statement, the cells of one notebook that show it, and what they measure."""

    text: str
    notebook: str
    cells: tuple[str, ...]
    metrics: tuple[str, ...]
    shown: str

    @property
    def markdown(self):
        """The row of the README's table."""
        cells = ", ".join(f"`{cell}`" for cell in self.cells)
        shown = self.shown or ", ".join(f"`{metric}`" for metric in self.metrics)
        return f"| {self.text} | {self.notebook}.ipynb: {cells} | {shown} |"


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
