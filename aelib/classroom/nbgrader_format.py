"""Make the student version of a notebook in nbgrader's format: stubs for solutions, no hidden tests, checksums.

nbgrader itself depends on two web applications and a database. tests/test_classroom_assignments.py checks that the
result is the same.
"""

import hashlib

import nbformat

from aelib.series.spec import UsageError

# As in nbgrader, a line that contains these words begins or ends a region, whatever else is in it.
SOLUTION = ("BEGIN SOLUTION", "END SOLUTION")
HIDDEN_TESTS = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")
REGIONS = {"solution": SOLUTION, "grade": HIDDEN_TESTS, "task": ("BEGIN MARK SCHEME", "END MARK SCHEME")}
STUBS = {"code": ("# YOUR CODE HERE", "raise NotImplementedError()"), "markdown": ("YOUR ANSWER HERE",)}


def student_version(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy of a source notebook without solutions, hidden tests and outputs, locked as nbgrader locks it.

    Raises UsageError if the begin and end of regions do not alternate, or a region is in a cell of another kind.
    """
    notebook = nbformat.from_dict(notebook)
    for index, cell in enumerate(notebook.cells):
        settings = cell.metadata.get("nbgrader", {})
        solution, grade = settings.get("solution", False), settings.get("grade", False)
        stub = STUBS.get(cell.cell_type, ())
        has_region = SOLUTION[0] in cell.source
        for kind, marks in REGIONS.items():
            if marks[0] in cell.source and not settings.get(kind):
                raise UsageError(f"cell {index}: {marks[0]} is in a cell without the nbgrader setting {kind!r}")
            cell.source = _without_region(cell.source, marks, stub if marks == SOLUTION else (), index)
        if solution and not has_region:
            cell.source = "\n".join(stub)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("collapsed", None)
            cell.metadata.pop("scrolled", None)
        if solution or grade or settings.get("locked", False):
            cell.metadata["deletable"] = False
            if not solution:
                cell.metadata["editable"] = False
            settings["checksum"], settings["cell_type"] = _checksum(cell), cell.cell_type
    return notebook


def _without_region(source, marks, stub, index):
    """Return a cell's source with the lines of the stub in place of each region."""
    begin, end = marks
    lines, inside = [], False
    for line in source.split("\n"):
        if begin in line or end in line:
            if inside == (begin in line):
                raise UsageError(f"cell {index}: {begin} and {end} must alternate")
            inside = not inside
            indent = line[: len(line) - len(line.lstrip())]
            lines += [indent + text for text in stub if inside]
        elif not inside:
            lines.append(line)
    if inside:
        raise UsageError(f"cell {index}: {begin} has no {end}")
    return "\n".join(lines)


def _checksum(cell):
    """Return the checksum by which nbgrader recognizes that a cell was changed."""
    settings = cell.metadata["nbgrader"]
    solution, grade = settings.get("solution", False), settings.get("grade", False)
    locked = not solution and (grade or settings.get("locked", False))
    parts = [cell.source, cell.cell_type, grade, solution, locked, settings["grade_id"]]
    parts += [float(settings["points"])] if grade else []
    return hashlib.md5("".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()
