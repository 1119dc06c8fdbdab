"""Write the lecture map of notebooks/series.toml: python docs/make_lecture_map.py > docs/lecture-map.md"""

import os
from pathlib import Path

from aelib.series.spec import load_series

INTRODUCTION = """# Lecture map

Which cells of the notebooks show which statement of the lecture, and the metric that measures it. The lecture is
*Applied Deep Learning*, Chapter 8, by Ali Bereyhi, University of Toronto, Fall 2025.

A cell is named by its id. `aelib list` shows which of the metrics have targets, and their bounds. This page is
generated from [series.toml](../notebooks/series.toml) by `python docs/make_lecture_map.py > docs/lecture-map.md`.
"""


def page(notebooks):
    """Return the page: a section with a link and a table for each notebook that has statements."""
    parts = [INTRODUCTION]
    for notebook in notebooks:
        if notebook.lecture:
            link = os.path.relpath(notebook.path, Path(__file__).parent).replace(os.sep, "/")
            table = "\n".join(["| statement of the lecture | cells | metrics |", "|---|---|---|"])
            parts.append(f"## {notebook.title}\n\n[{notebook.path.name}]({link})\n\n{table}")
            parts += [_row(statement) for statement in notebook.lecture] + [""]
    return "\n".join(parts)


def _row(statement):
    cells, metrics = (", ".join(f"`{name}`" for name in names) for names in (statement["cells"], statement["metrics"]))
    return f"| {statement['text']} | {cells} | {statement['shown'] or metrics} |"


if __name__ == "__main__":
    print(page(load_series().values()), end="")
