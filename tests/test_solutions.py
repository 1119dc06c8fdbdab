"""Every exercise has a worked solution that runs and is published; a file of its own, for a second process to take."""

import re

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from aelib.series import solutions
from aelib.series.spec import UsageError, load_series, series_folder

NAMES = sorted(path.stem for path in (series_folder() / "solutions").glob("*.ipynb"))
WITH_EXERCISES = [
    notebook
    for notebook in load_series().values()
    if any(cell.source.startswith("## Exercises") for cell in nbformat.read(notebook.path, 4).cells)
]
# Exercises that have none yet.
UNSOLVED = {"03_denoising": {"1", "2"}}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The folder and the outcomes, by name, of the solutions, trained for an epoch each."""
    out = tmp_path_factory.mktemp("solutions")
    return out, {outcome.name: outcome for outcome in solutions.publish(out, parameters={"epochs": 1})}


@pytest.mark.parametrize("name", NAMES)
def test_solutions_run_without_a_warning(published, name):
    out, outcomes = published
    assert outcomes[name].status == "passed", outcomes[name].cause
    cells = nbformat.read(out / f"{name}.ipynb", 4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    written = "".join(output.text for output in outputs if output.get("name") == "stderr")
    assert not re.search(r"\w+Warning: ", written), written


@pytest.mark.parametrize("notebook", WITH_EXERCISES, ids=lambda notebook: notebook.name)
def test_every_exercise_has_a_solution_with_outputs_on_the_page(published, notebook):
    last = nbformat.read(notebook.path, 4).cells[-1].source
    exercises = dict(re.findall(r"^(\d+)\. \*\*(.+?)\.?\*\*", last, re.M))
    assert len(exercises) >= 3 and list(exercises) == [str(number + 1) for number in range(len(exercises))]
    assert notebook.name in NAMES, f"no solutions to {notebook.name}"
    page = (published[0] / f"{notebook.name}.html").read_text(encoding="utf-8")
    solved = {}
    for section in re.split("(?=<h2 )", page):
        heading = re.match(r"<h2 [^>]*>(\d+)\. (.+?)</h2>", section)
        if heading and '<div class="output">' in section:
            solved[heading[1]] = heading[2]
    unsolved = UNSOLVED.get(notebook.name, set())
    assert solved == {number: title for number, title in exercises.items() if number not in unsolved}


def test_the_list_leads_to_every_page(published):
    index = (published[0] / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'<li><a href="(\w+)\.html">[^<]*: worked solutions</a>: passed', index) == NAMES


@pytest.fixture
def own_solutions(tmp_path, monkeypatch):
    """Return a function that makes a series with one solution of these code cells."""
    monkeypatch.setenv("AELIB_NOTEBOOKS", str(tmp_path))

    def make(*sources):
        (tmp_path / "solutions").mkdir()
        cells = [new_markdown_cell("# One: worked solutions"), *map(new_code_cell, sources)]
        nbformat.write(new_notebook(cells=cells), tmp_path / "solutions" / "one.ipynb")
        return tmp_path / "out"

    return make


def test_a_solution_that_fails_is_published_with_its_error(own_solutions):
    out = own_solutions("print('before')", "1 / 0", "print('after')")
    (outcome,) = solutions.publish(out)
    assert (outcome.status, outcome.exit_code, outcome.cell) == ("failed", 3, 2)
    assert "ZeroDivisionError" in outcome.cause
    page = (out / "one.html").read_text(encoding="utf-8")
    assert "before" in page and "ZeroDivisionError" in page and "not executed" in page
    assert "one.html" in (out / "index.html").read_text(encoding="utf-8")


def test_a_solution_shows_the_parameters_it_was_given_and_no_others(own_solutions):
    out = own_solutions("print('ready')")
    for parameters, shown in ((None, []), ({"epochs": 3}, ["epochs = 3"])):
        (outcome,) = solutions.publish(out, parameters=parameters)
        sources = "\n".join(cell.source for cell in nbformat.read(out / "one.ipynb", 4).cells)
        assert outcome.status == "passed" and re.findall(r"epochs = \d", sources) == shown
    assert '<p class="verdict passed"' in (out / "one.html").read_text(encoding="utf-8")


def test_a_series_without_solutions_is_a_usage_error(tmp_path, monkeypatch):
    monkeypatch.setenv("AELIB_NOTEBOOKS", str(tmp_path))
    with pytest.raises(UsageError, match="no notebooks in"):
        solutions.publish(tmp_path / "out")
    result = CliRunner().invoke(solutions.main, ["--out", str(tmp_path / "out")])
    assert result.exit_code == 2 and "no notebooks in" in result.output
