"""README, docs/ and other pages: the links, commands, cells, versions and hosts that they name."""

import json
import re
import runpy
import shlex
import tomllib
from itertools import pairwise
from pathlib import Path

import click
import pytest
import yaml

from aelib import __version__
from aelib.__main__ import cli
from aelib.series.catalog import select_notebooks
from aelib.series.spec import load_series

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]
SERIES = load_series()
MAX_README_LINES = 150
# Hosts of papers, licenses and the changelog's format. Only pyproject.toml has the repository's own address.
HOSTS = {"arxiv.org", "creativecommons.org", "distributed.dask.org", "doi.org", "keepachangelog.com"}
LINK = re.compile(r"!?\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
lecture_map = runpy.run_path(str(ROOT / "docs" / "make_lecture_map.py"))["page"]
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


def prose(text):
    """Return the text without code blocks and code spans."""
    lines = [line for line in FENCE.sub("", text).splitlines() if not line.startswith("    ")]
    return re.sub(r"`[^`\n]*`", "", "\n".join(lines))


def headings(text):
    """Return [(level, heading)], without comments in code blocks."""
    return [(len(match[1]), match[2]) for match in re.finditer(r"^(#+) (.*)$", FENCE.sub("", text), re.M)]


def anchors(text):
    """Return the anchors of the headings, as GitHub and MyST make them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for _, heading in headings(text)}


def commands(text):
    """Return the arguments of every call of aelib in code blocks, each as one string."""
    blocks = "\n".join([*FENCE.findall(text), *re.findall(r"^ {4,}\S.*$", text, re.M)])
    lines = [re.sub(r"^(\.venv/bin/)?(python -m )?(?=aelib\b)", "", line.strip()) for line in blocks.splitlines()]
    return [line.removeprefix("aelib").strip() for line in lines if re.match(r"aelib( |$)", line)]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES


@each_page
def test_a_page_has_one_title_and_no_level_is_left_out(path):
    levels = [level for level, _ in headings(path.read_text(encoding="utf-8"))]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@each_page
def test_every_relative_link_leads_to_a_file_and_a_heading(path):
    for match in LINK.finditer(prose(path.read_text(encoding="utf-8"))):
        target, _, anchor = match["target"].partition("#")
        if target.startswith(("http:", "https:")):
            continue
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), f"{path.name}: {match['target']}"
        assert ROOT in file.parents, f"{path.name}: {match['target']} is outside the repository"
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{path.name}: {match['target']}"


@each_page
def test_every_picture_has_alternative_text(path):
    pictures = re.findall(r"!\[([^\]]*)\]", prose(path.read_text(encoding="utf-8")))
    assert all(len(text) > 40 for text in pictures)


def test_the_readme_shows_three_pictures():
    assert len(re.findall(r"^!\[", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)) == 3


def test_every_page_of_the_documentation_is_in_its_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = {match["target"] for match in LINK.finditer(index)}
    assert {path.name for path in DOCS} - {"index.md"} <= linked


@pytest.mark.parametrize("path", [*PAGES, ROOT / "CITATION.cff"], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_only_papers_and_licenses_are_linked(path):
    own = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"].values()
    urls = re.findall(r"https?://[^\s)\"'>`]+", path.read_text(encoding="utf-8"))
    allowed = own if path.suffix == ".cff" else ()
    wrong = [url for url in urls if url not in allowed and url.split("/")[2] not in HOSTS]
    assert not wrong


def test_the_lecture_map_is_the_generated_one():
    expected = lecture_map(SERIES.values())
    current = (ROOT / "docs" / "lecture-map.md").read_text(encoding="utf-8")
    assert current == expected, "python docs/make_lecture_map.py > docs/lecture-map.md"


def test_the_lecture_map_has_every_statement_with_its_cells_and_metrics():
    page = lecture_map(SERIES.values())
    statements = [statement for notebook in SERIES.values() for statement in notebook.lecture]
    assert len(statements) > 20
    for statement in statements:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {statement['text']} |")]
        assert all(f"`{name}`" in row for name in (*statement["cells"], *statement["metrics"]))
    assert all(f"/{notebook.path.name})" in page for notebook in SERIES.values())


def test_cells_in_the_teaching_plan_exist_in_the_notebook_of_their_week():
    sections = (ROOT / "docs" / "teaching-plan.md").read_text(encoding="utf-8").split("\n## ")[1:]
    weeks = [section for section in sections if "| cells |" in section]
    assert len(weeks) >= 3
    for week in weeks:
        (name,) = set(re.findall(r"\(\.\./notebooks/([\w/]+)\.ipynb\)", week))
        cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        ids = {cell["id"] for cell in cells}
        rows = [line for line in week.splitlines() if line.startswith("| ") and "`" in line]
        named = {cell for row in rows for cell in re.findall(r"`([\w-]+)`", row.split("|")[2])}
        assert len(rows) >= 4 and len(named) >= 8
        assert named <= ids, f"week {week[:1]}: {named - ids}"


def test_the_teaching_plan_names_every_notebook_and_assignment():
    plan = (ROOT / "docs" / "teaching-plan.md").read_text(encoding="utf-8")
    assert all(f"/{notebook.path.name})" in plan for notebook in SERIES.values())
    assert all(f"*{path.stem}*" in plan for path in (ROOT / "notebooks" / "assignments").glob("*.ipynb"))


def test_tasks_and_points_of_the_assignments_are_as_the_page_on_grading_says():
    page = (ROOT / "docs" / "grading.md").read_text(encoding="utf-8")
    for path in (ROOT / "notebooks" / "assignments").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        settings = [cell["metadata"].get("nbgrader", {}) for cell in cells]
        points = [cell["points"] for cell in settings if cell.get("points")]
        (row,) = [line for line in page.splitlines() if line.startswith(f"| [{path.stem}]")]
        assert row.split("|")[2].strip().startswith(f"{len(points)}:")
        assert row.split("|")[3].strip() == f"{sum(points)}"


@each_page
def test_commands_in_code_blocks_are_accepted_by_aelib(path):
    for line in commands(path.read_text(encoding="utf-8")):
        parse(shlex.split(line, comments=True))


def parse(arguments):
    """Parse arguments as the command line does, and look up its notebooks, without running anything."""
    name, rest = arguments[0], arguments[1:]
    assert name in cli.commands, f"aelib {name}"
    try:
        context = cli.commands[name].make_context(name, list(rest), parent=click.Context(cli, **cli.context_settings))
    except click.exceptions.Exit:  # --help
        return
    except click.ClickException as error:
        pytest.fail(f"aelib {' '.join(arguments)}: {error.format_message()}")
    given = context.params.get("notebooks") or [name for name in [context.params.get("notebook")] if name]
    names = [name for name in given if name != "NAME"]
    assert not names or select_notebooks(SERIES, names)
    parameters = {key for notebook in SERIES.values() for key in notebook.parameters} | {"backend"}
    varied = [grid.partition("=")[0] for grid in context.params.get("grids") or ()]
    assert {*varied, *(key for key, _ in context.params.get("given") or ())} <= parameters


def test_there_are_commands_to_check():
    lines = [line for path in PAGES for line in commands(path.read_text(encoding="utf-8"))]
    assert len(lines) > 10 and {line.split()[0] for line in lines} >= {"run", "sweep", "release", "grade", "bundle"}


@each_page
def test_subcommands_options_and_make_targets_in_the_text_exist(path):
    text = path.read_text(encoding="utf-8")
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    for name, rest in (match.groups() for span in spans if (match := re.match(r"aelib ([a-z]+)(.*)", span))):
        assert name in cli.commands, f"{path.name}: aelib {name}"
        known = {opt for option in cli.commands[name].params for opt in option.opts} | {"--help", "-h"}
        assert set(re.findall(r"(?<!\S)--?[a-z][\w-]*", rest)) <= known, f"{path.name}: aelib {name}{rest}"
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    blocks = re.findall(r"^ {4,}(make .*)$", text, re.M)
    for line in [*(span for span in spans if span.startswith("make ")), *blocks]:
        named = [word for word in line.split("#")[0].split()[1:] if "=" not in word]
        assert set(named) <= targets, f"{path.name}: {line}"


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    newest = re.search(r"^## (\S+) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert newest[1] == __version__
    assert newest[2] == str(citation["date-released"])
    for path in PAGES:
        named = re.findall(r"aelib\[[\w,]+\]==([\w.]+?)[\"`]", path.read_text(encoding="utf-8"))
        assert set(named) <= {__version__}, path.name


def test_the_citation_agrees_with_the_metadata_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in project["authors"]]
    assert citation["license"] == project["license"]
    assert citation["repository-code"] == project["urls"]["Repository"]
    assert f"# {citation['title']}\n" in (ROOT / "README.md").read_text(encoding="utf-8")
