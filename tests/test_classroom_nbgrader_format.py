"""The student version of an assignment: it is the one that nbgrader makes, and invalid regions are refused."""

import pytest
from classroom import marked
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from test_classroom_assignments import by_nbgrader

from aelib.classroom.nbgrader_format import student_version
from aelib.series.spec import UsageError

ANSWER = "def f(x):\n    ### BEGIN SOLUTION\n    return 2 * x + 73912\n    ### END SOLUTION"
TEST = "assert f(1) == 2\n### BEGIN HIDDEN TESTS\nassert f(3) == 73912\n### END HIDDEN TESTS"
SCHEME = "Explain.\n### BEGIN MARK SCHEME\n73912\n### END MARK SCHEME"


def code(source, **settings):
    outputs = [new_output("stream", text="secret 73912")]
    metadata = {"nbgrader": marked("a", **settings)["nbgrader"], "collapsed": True, "scrolled": True}
    return new_code_cell(source, metadata=metadata, outputs=outputs, execution_count=3)


@pytest.mark.parametrize(
    "cell",
    [
        code(ANSWER, solution=True),
        code("answer = 73912", solution=True),
        code(ANSWER.replace("### ", "# "), solution=True),
        code(TEST, grade=True, locked=True, points=2),
        code(ANSWER, solution=True, grade=True, points=1),
        code("import numpy", locked=True),
        new_markdown_cell("It is 73912.", metadata=marked("a", solution=True, grade=True, points=3)),
        new_markdown_cell(SCHEME, metadata=marked("a", task=True, locked=True, points=3)),
    ],
)
def test_a_cell_is_released_as_nbgrader_does(cell):
    source = new_notebook(cells=[cell])
    student = student_version(source)
    assert student == by_nbgrader(source) and "73912" not in str(student)
    assert source.cells == [cell] and "checksum" not in source.cells[0].metadata.nbgrader


@pytest.mark.parametrize(
    ("source", "settings", "words"),
    [
        (ANSWER, {"locked": True}, "BEGIN SOLUTION is in a cell"),
        (TEST, {"solution": True}, "BEGIN HIDDEN TESTS is in a cell"),
        (SCHEME, {"grade": True, "points": 1}, "BEGIN MARK SCHEME is in a cell"),
        (ANSWER.replace("### END SOLUTION", ""), {"solution": True}, "has no END SOLUTION"),
        (ANSWER.replace("### BEGIN SOLUTION", ""), {"solution": True}, "must alternate"),
        (ANSWER.replace("return", "### BEGIN SOLUTION\n    return"), {"solution": True}, "must alternate"),
    ],
)
def test_an_invalid_region_is_refused(source, settings, words):
    with pytest.raises(UsageError, match=words):
        student_version(new_notebook(cells=[new_markdown_cell("title"), code(source, **settings)]))
