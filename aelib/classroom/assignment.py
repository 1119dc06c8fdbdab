"""Load assignments from their source notebooks, which are in nbgrader's format."""

import builtins
import re
from dataclasses import dataclass
from symtable import symtable

from nbformat import NotebookNode

from aelib.classroom.nbgrader_format import HIDDEN_TESTS, SOLUTION, student_version
from aelib.series.document import read
from aelib.series.spec import UsageError, series_folder


@dataclass(frozen=True)
class Task:
    """A test cell with points, and the Markdown cell before it."""

    name: str  # nbgrader's id of the test cell
    title: str
    text: str  # the Markdown cell
    points: float
    source: str
    hidden_line: int | None  # line of the source, from 1, where the hidden tests begin
    required_names: tuple[str, ...]  # names that the test uses and the student must define


@dataclass(frozen=True)
class Assignment:
    """The parts of an assignment that grading needs."""

    name: str
    title: str
    setup: tuple[str, ...]  # sources of the code cells that are neither solutions nor tests
    tasks: tuple[Task, ...]
    handed_out: frozenset[str]  # code cells of the student version, and full tests, as `normalized` returns them
    cell_ids: frozenset[str]  # nbgrader's ids of all code cells
    stubs: tuple[str, ...]  # the cells that students fill in, as they were handed out

    @property
    def points(self) -> float:
        return sum(task.points for task in self.tasks)


def names() -> list[str]:
    """Return the names of all assignments, sorted."""
    return sorted(path.stem for path in (series_folder() / "assignments").glob("*.ipynb"))


def source(name: str) -> NotebookNode:
    """Return the source notebook of an assignment; raises UsageError if there is none."""
    if name not in names():
        raise UsageError(f"no assignment {name!r}; available: {', '.join(names()) or 'none'}")
    return read(series_folder() / "assignments" / f"{name}.ipynb")


def load(name: str) -> Assignment:
    """Return an assignment; raises UsageError if there is none of this name, or its notebook is invalid."""
    notebook = source(name)
    setup = tuple(cell.source for cell in notebook.cells if _kind(cell) == "setup")
    provided = _names("\n".join(setup))[0] | set(dir(builtins))
    tasks, title, text = [], "", ""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            text, title = cell.source, _heading(cell.source, title)
        elif _kind(cell) == "test":
            hidden_line = _hidden_line(cell.source, f"{name}, cell {index}")
            defined, used = _names(cell.source)
            settings, required = cell.metadata.nbgrader, tuple(sorted(used - defined - provided))
            points = float(settings.points)
            tasks.append(Task(settings.grade_id, title, text, points, cell.source, hidden_line, required))
    if not tasks:
        raise UsageError(f"{name}: it must have an nbgrader test cell with points")
    code = [cell for cell in student_version(notebook).cells if cell.cell_type == "code"]
    return Assignment(
        name=name,
        title=_heading(notebook.cells[0].source, name),
        setup=setup,
        tasks=tuple(tasks),
        handed_out=frozenset(normalized(part.source) for part in (*code, *tasks)),
        cell_ids=frozenset(cell.metadata.nbgrader.grade_id for cell in code if "nbgrader" in cell.metadata),
        stubs=tuple(cell.source for cell in code if _kind(cell) == "solution"),
    )


def normalized(code: str) -> str:
    """Return code without trailing spaces, blank lines and region marks, so that only real changes count."""
    lines = (line.rstrip() for line in code.replace("\r\n", "\n").split("\n"))
    return "\n".join(line for line in lines if line and line.lstrip(" #") not in (*SOLUTION, *HIDDEN_TESTS))


def _kind(cell):
    if cell.cell_type != "code":
        return cell.cell_type
    settings = cell.metadata.get("nbgrader", {})
    return "solution" if settings.get("solution") else "test" if settings.get("grade") else "setup"


def _heading(text, default):
    match = re.search(r"^#+ (.*)", text, re.MULTILINE)
    return match[1] if match else default


def _hidden_line(source, where):
    lines = source.split("\n")
    begins, ends = ([number for number, line in enumerate(lines, 1) if mark in line] for mark in HIDDEN_TESTS)
    if len(begins) != len(ends) or len(begins) > 1:
        raise UsageError(f"{where}: a test must have at most one region of hidden tests, with a begin and an end")
    if ends and any(line.strip() for line in lines[ends[0] :]):
        raise UsageError(f"{where}: the hidden tests must come last in their cell")
    return begins[0] if begins else None


def _names(code):
    """Return the names that code defines at its top level, and the global names that it uses."""
    module = symtable(code, "<cell>", "exec")
    defined = {symbol.get_name() for symbol in module.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    used, scopes = set(), [module]
    while scopes:
        scope = scopes.pop()
        scopes += scope.get_children()
        used |= {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_global() and symbol.is_referenced()}
    return defined, used
