"""Write the lecture map of notebooks/series.toml: python docs/make_lecture_map.py > docs/lecture-map.md"""

from aelib.series.spec import load_series

INTRODUCTION = """# Lecture map

Which cells of the notebooks show which statement of the lecture, and the metric that measures it. The lecture is
*Applied Deep Learning*, Chapter 8, by Ali Bereyhi, University of Toronto, Fall 2025.

A cell is named by its id. `aelib list` shows which of the metrics have targets, and their bounds. This page is
generated from [series.toml](../notebooks/series.toml) by `python docs/make_lecture_map.py > docs/lecture-map.md`.
"""
SECTION = """
## {title}

[{file}](../notebooks/{file})

| statement of the lecture | cells | metrics |
|---|---|---|
"""


def page(notebooks):
    """Return the page: a section with a link and a table for each notebook that has statements."""
    text = INTRODUCTION
    for notebook in notebooks:
        if notebook.lecture:
            text += SECTION.format(title=notebook.heading, file=notebook.file)
        for entry in notebook.lecture:
            cells, metrics = (", ".join(f"`{name}`" for name in entry[key]) for key in ("cells", "metrics"))
            text += f"| {entry['text']} | {cells} | {entry['shown'] or metrics} |\n"
    return text


if __name__ == "__main__":
    print(page(load_series().values()), end="")
