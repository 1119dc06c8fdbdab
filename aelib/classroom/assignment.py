"""A source notebook in nbgrader's format in; its tasks, set-up and student version out."""

import ast
import builtins
import re
from dataclasses import dataclass, replace

from aelib.classroom.student_version import released
from aelib.series.document import read
from aelib.series.spec import UsageError, series_folder

SOLUTION = ("### BEGIN SOLUTION", "### END SOLUTION")
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")


@dataclass(frozen=True)
class Task:
    """A test cell: `text` (Markdown) is what it asks; `hidden` the line of its source where the hidden tests begin."""

    name: str
    title: str
    text: str
    points: float
    source: str
    hidden: int | None
    names: tuple[str, ...]


@dataclass(frozen=True)
class Assignment:
    """What grading needs of an assignment.

    setup: sources of the cells that are neither solutions nor tests. released: the code cells of the student version,
    and the tests, as `normal` makes them. ids: nbgrader's, of all cells. stubs: the cells that are to be filled in.
    """

    name: str
    title: str
    setup: tuple[str, ...]
    tasks: tuple[Task, ...]
    released: frozenset[str]
    ids: frozenset[str]
    stubs: tuple[str, ...]

    @property
    def points(self):
        return sum(task.points for task in self.tasks)


def folder():
    """Where the source notebooks are."""
    return series_folder() / "assignments"


def names():
    """The assignments there are, in the order of the alphabet."""
    return sorted(path.stem for path in folder().glob("*.ipynb"))


def source(name):
    """The source notebook of an assignment; raises UsageError."""
    if name not in names():
        raise UsageError(f"no assignment {name!r}; there are {', '.join(names()) or 'none'}")
    return read(folder() / f"{name}.ipynb")


def load(name):
    """The Assignment of a name; raises UsageError where its notebook is not one."""
    notebook = source(name)
    tasks, setup, title, text = [], [], "", ""
    for index, cell in enumerate(notebook.cells):
        about = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown":
            title, text = next(iter(re.findall(r"^#+ (.*)", cell.source, re.M)), title), cell.source
        elif cell.cell_type == "code" and about.get("grade") and not about.get("solution"):
            tasks.append(_task(name, index, cell, about, title, text))
        elif cell.cell_type == "code" and not about.get("solution"):
            setup.append(cell.source)
    if not tasks:
        raise UsageError(f"{name}: no cell of it is an nbgrader test with points")
    defined = _assigned("\n".join(setup))
    tasks = [_with_names(task, defined) for task in tasks]
    student = released(notebook)
    code = [cell for cell in student.cells if cell.cell_type == "code"]
    return Assignment(
        name=name,
        title=next(iter(re.findall(r"^# (.*)", notebook.cells[0].source, re.M)), name),
        setup=tuple(setup),
        tasks=tuple(tasks),
        released=frozenset(normal(one) for one in [*(cell.source for cell in code), *(task.source for task in tasks)]),
        ids=frozenset(cell.metadata.nbgrader.grade_id for cell in code if "nbgrader" in cell.metadata),
        stubs=tuple(cell.source for cell in code if cell.metadata.get("nbgrader", {}).get("solution")),
    )


def normal(code):
    """Code without what editors change: trailing blanks, blank lines, the marks of regions."""
    lines = (line.rstrip() for line in code.replace("\r\n", "\n").split("\n"))
    return "\n".join(line for line in lines if line and line.strip() not in (*SOLUTION, *HIDDEN))


def _task(name, index, cell, about, title, text):
    lines = [line.strip() for line in cell.source.split("\n")]
    if lines.count(HIDDEN[0]) != lines.count(HIDDEN[1]) or lines.count(HIDDEN[0]) > 1:
        raise UsageError(f"{name}, cell {index}: a test has one region of hidden tests at most, begun and ended")
    hidden = lines.index(HIDDEN[0]) + 1 if HIDDEN[0] in lines else None
    if hidden and any(lines[lines.index(HIDDEN[1]) + 1 :]):
        raise UsageError(f"{name}, cell {index}: the hidden tests must come last in their cell")
    return Task(about["grade_id"], title, text, float(about["points"]), cell.source, hidden, ())


def _with_names(task, defined):
    """The task with the names it needs of the student: used by it, and defined neither by it nor by the set-up."""
    tree = ast.parse(task.source)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    needed = sorted(used - _assigned(task.source) - defined - set(dir(builtins)))
    return replace(task, names=tuple(needed))


def _assigned(code):
    """Every name that code binds, at whatever depth."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
    return found
