"""The notebooks as they are committed, and as the quick profile leaves them."""

import json
import re
import symtable
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from aelib.__main__ import cli

ROOT = Path(__file__).parents[1]
GUIDED = sorted((ROOT / "notebooks").glob("0*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", GUIDED + SOLUTIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
each_guided = pytest.mark.parametrize("path", GUIDED, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


@each_notebook
def test_is_stored_without_outputs(path):
    for cell in code_cells(path):
        assert not cell.outputs and cell.execution_count is None, cell.id


@each_notebook
def test_cell_ids_are_names_and_cells_are_short(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert re.fullmatch(r"[a-z0-9-]+", cell.id) and not re.fullmatch(r"[0-9a-f]{8}", cell.id), cell.id
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= 25, cell.id


@each_guided
def test_every_parameter_is_used_and_none_is_assigned_anew(path):
    cells = code_cells(path)
    first, *others = [symtable.symtable(cell.source, cell.id, "exec") for cell in cells]
    parameters = {symbol.get_name() for symbol in first.get_symbols() if symbol.is_assigned()}
    assert first.get_name() == "top" and "seed" in parameters
    for cell, table in zip(cells[1:], others, strict=True):
        anew = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
        assert not anew & parameters, f"{cell.id} assigns a parameter"
    used = {name for table in others for name in names_in(table)}
    assert parameters <= used


def names_in(table):
    yield from (symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced())
    for inner in table.get_children():
        yield from names_in(inner)


@each_notebook
def test_has_one_title_and_as_much_prose_as_code(path):
    cells = nbformat.read(path, 4).cells
    prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
    assert sum(len(re.findall(r"^# ", text, re.M)) for text in prose) == 1
    assert len(prose) >= len(cells) / 2


@each_guided
def test_has_worked_solutions(path):
    exercises = nbformat.read(path, 4).cells[-1].source
    assert exercises.startswith("## Exercises")
    assert f"solutions/{path.name}" in exercises and path.name in [solution.name for solution in SOLUTIONS]


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("quick")
    result = CliRunner().invoke(cli, ["run", "--profile", "quick", "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out


@each_guided
def test_quick_profile_reaches_its_targets_with_every_metric_of_the_map(quick_run, path):
    results = json.loads((quick_run / "results.json").read_text())
    measured = next(one for one in results["notebooks"] if one["name"] == path.stem)
    assert measured["status"] == "passed"
    rows = [row for row in (ROOT / "README.md").read_text().splitlines() if f"{path.stem}.ipynb" in row]
    metrics = {metric for row in rows for metric in re.findall(r"`(\w+_\w+)`", row.rsplit("|", 2)[1])}
    assert metrics and metrics <= set(measured["metrics"])


@each_guided
def test_lecture_map_names_cells_that_exist(path):
    ids = {cell.id for cell in nbformat.read(path, 4).cells}
    rows = [row for row in (ROOT / "README.md").read_text().splitlines() if f"{path.stem}.ipynb" in row and "|" in row]
    named = {cell for row in rows for cell in re.findall(r"`([a-z0-9-]+)`", row.split("|")[2])}
    assert named and named <= ids


@each_guided
def test_every_picture_says_in_words_what_it_shows(quick_run, path):
    pictures = [
        output.metadata.get("image/png", {}).get("alt")
        for cell in code_cells(quick_run / path.name)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert pictures and all(pictures)


@each_guided
def test_page_loads_nothing_from_outside(quick_run, path):
    page = (quick_run / f"{path.stem}.html").read_text()
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)=["']?https?:""", page)
