"""Make the student version of an assignment, as nbgrader makes it: stubs for solutions, no hidden tests, checksums.

nbgrader itself brings two web applications and a database. tests/test_classroom_assignments.py checks that the result
is the same.
"""

import hashlib

import nbformat

from aelib.series.spec import UsageError

# As nbgrader: a line that has these words in it, whatever stands before them.
SOLUTION = ("BEGIN SOLUTION", "END SOLUTION")
HIDDEN = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")
SCHEME = ("BEGIN MARK SCHEME", "END MARK SCHEME")
STUBS = {"code": ("# YOUR CODE HERE", "raise NotImplementedError()"), "markdown": ("YOUR ANSWER HERE",)}


def released(notebook):
    """Return a copy of a source notebook without solutions, hidden tests and outputs, locked as nbgrader locks it.

    Raises:
        UsageError: a region is not begun and ended once, or stands in a cell of another kind.
    """
    notebook = nbformat.from_dict(notebook)
    for index, cell in enumerate(notebook.cells):
        about = cell.metadata.get("nbgrader", {})
        solution, grade = about.get("solution", False), about.get("grade", False)
        for marks, allowed in ((SOLUTION, solution), (HIDDEN, grade), (SCHEME, about.get("task", False))):
            if marks[0] in cell.source and not allowed:
                raise UsageError(f"cell {index}: {marks[0]} stands in a cell that nbgrader does not mark for it")
        answer = cell.source
        cell.source = _replaced(cell.source, SOLUTION, STUBS.get(cell.cell_type, ()), index)
        if solution and cell.source == answer:
            cell.source = "\n".join(STUBS[cell.cell_type])
        cell.source = _replaced(_replaced(cell.source, HIDDEN, (), index), SCHEME, (), index)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("collapsed", None)
            cell.metadata.pop("scrolled", None)
        if solution or grade or about.get("locked", False):
            cell.metadata["deletable"] = False
            if not solution:
                cell.metadata["editable"] = False
            about["checksum"], about["cell_type"] = _checksum(cell), cell.cell_type
    return notebook


def _replaced(source, marks, stub, index):
    begin, end = marks
    lines, inside = [], False
    for line in source.split("\n"):
        if begin in line or end in line:
            if inside == (begin in line):
                raise UsageError(f"cell {index}: {begin} and {end} must come in turn")
            inside = not inside
            indent = line[: len(line) - len(line.lstrip())]
            lines += [indent + one for one in stub if inside]
        elif not inside:
            lines.append(line)
    if inside:
        raise UsageError(f"cell {index}: {begin} has no {end}")
    return "\n".join(lines)


def _checksum(cell):
    """The checksum by which nbgrader tells that a cell was changed."""
    about = cell.metadata["nbgrader"]
    solution, grade = about.get("solution", False), about.get("grade", False)
    locked = not solution and (grade or about.get("locked", False))
    parts = [cell.source, cell.cell_type, grade, solution, locked, about["grade_id"]]
    parts += [float(about["points"])] if grade else []
    return hashlib.md5("".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()
