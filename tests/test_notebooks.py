"""The notebooks as they are committed, and as the quick profile leaves them."""

import json
import re
import symtable
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from aelib import explorer
from aelib.__main__ import cli
from aelib.series.spec import load_series

ROOT = Path(__file__).parents[1]
SERIES = load_series()
GUIDED = [notebook.path for notebook in SERIES.values()]
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
ASSIGNMENTS = sorted((ROOT / "notebooks" / "assignments").glob("*.ipynb"))
# Terms and names that the notebooks no longer use. Published metric keys, such as colour_mse, keep their spelling.
FORMER = re.compile(
    r"colour(?!_mse|'\))|centre|grey\b|neighbour|normalis|minimis|strangers|watchman|copier|\bwire\b|\bjudge|detour"
    r"|turned by|numbers per image|no accident|COLOURS|sparsity\.\w|_start\(|\.rows\(\)|validation="
    r"|[^\\](sigma|deviation)=|corruption\.(Gaussian|Masking|SaltAndPepper)"
)
each_shared = pytest.mark.parametrize(
    "path", GUIDED + SOLUTIONS + ASSIGNMENTS, ids=lambda path: f"{path.parent.name}-{path.stem}"
)
each_notebook = pytest.mark.parametrize("path", GUIDED + SOLUTIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
each_guided = pytest.mark.parametrize("path", GUIDED, ids=lambda path: path.stem)

LECTURE = [statement for notebook in SERIES.values() for statement in notebook.lecture]


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
        assert len(cell.source.splitlines()) <= 20, cell.id


@each_guided
def test_a_chapter_has_at_most_95_cells_and_4500_words_a_further_notebook_60_cells(path):
    cells = nbformat.read(path, 4).cells
    assert len(cells) <= (60 if SERIES[path.stem].further else 95)
    assert sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown") <= 4500


@each_shared
def test_uses_the_present_names_and_terms(path):
    for cell in nbformat.read(path, 4).cells:
        assert not FORMER.search(f"{cell.id}\n{cell.source}"), cell.id


def test_the_first_network_is_compiled_and_fitted_with_keras_and_compared_with_the_shorthand():
    sources = [cell.source for cell in code_cells(ROOT / "notebooks" / "01_compression.ipynb")]
    calls = re.findall(r"\w+\.compile\(\*\*recipe\)|\w+\.fit\(", "\n".join(sources))
    assert calls[:3] == ["linear.compile(**recipe)", "linear.fit(", "training.fit("]
    shorthand = next(source for source in sources if "training.fit(" in source)
    assert "np.testing.assert_allclose" in shorthand and "get_weights" in shorthand


@each_guided
def test_every_parameter_is_used_and_none_is_assigned_anew(path):
    _, *cells = code_cells(path)  # but the one that installs aelib
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
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.id != "install-aelib"]
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
    result = CliRunner().invoke(cli, ["run", "--all", "--profile", "quick", "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out


@each_guided
def test_quick_profile_reaches_its_targets_with_every_metric_of_the_map(quick_run, path):
    results = json.loads((quick_run / "results.json").read_text())
    measured = next(one for one in results["notebooks"] if one["name"] == path.stem)
    assert measured["status"] == "passed"
    metrics = {metric for one in LECTURE if one["notebook"] == path.stem for metric in one["metrics"]}
    assert metrics and metrics <= set(measured["metrics"])


@each_guided
def test_no_cell_warns(quick_run, path):
    outputs = [output for cell in code_cells(quick_run / path.name) for output in cell.outputs]
    written = "".join(output.text for output in outputs if output.get("name") == "stderr")
    assert not re.search(r"\w+Warning: ", written), written


@each_guided
def test_lecture_map_names_cells_that_exist(path):
    ids = {cell.id for cell in nbformat.read(path, 4).cells}
    named = {cell for one in LECTURE if one["notebook"] == path.stem for cell in one["cells"]}
    assert named and named | {SERIES[path.stem].picture} <= ids


@each_guided
def test_every_picture_says_in_words_what_it_shows(quick_run, path):
    page = (quick_run / f"{path.stem}.html").read_text()
    pictures = re.findall(r"<img [^>]*?alt=\"([^\"]*)\"", page)
    assert len(pictures) == page.count("<img ") > 5
    assert all(pictures) and "A picture without a description" not in pictures


@each_guided
def test_the_card_of_the_notebook_has_its_picture(quick_run, path):
    index = (quick_run / "index.html").read_text()
    assert f'<a href="{path.stem}.html"><img src="data:image/png;base64,' in index


@each_guided
def test_page_loads_nothing_from_outside_and_runs_nothing_but_its_live_figures(quick_run, path):
    page = (quick_run / f"{path.stem}.html").read_text()
    live = sum("explorer." in cell.source for cell in code_cells(path))
    assert re.findall("<script.*?</script>", page, re.S) == [f"<script>{explorer.SCRIPT}</script>"] * live
    assert not re.findall(r"""(?:src|href)=["']?https?:""", page.replace('<a href="https://', ""))
    assert len(page) < 5_000_000


def test_the_map_of_the_latent_plane_fits_its_limit_and_shows_a_picture_elsewhere(quick_run):
    (cell,) = (cell for cell in code_cells(quick_run / "01_compression.ipynb") if cell.id == "latent-explorer")
    (output,) = cell.outputs
    assert set(output.data) == {"text/html", "image/png", "text/plain"}
    assert 300_000 < len(json.dumps(output)) < 1_500_000
