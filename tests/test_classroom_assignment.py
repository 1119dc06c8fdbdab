"""aelib.classroom.assignment: what it reads from a source notebook, and which errors in one it reports."""

import nbformat
import pytest
from classroom import make_assignment

from aelib.classroom import assignment
from aelib.series.spec import UsageError


@pytest.fixture
def notebook_path(tmp_path, monkeypatch):
    """Return the file of the small assignment `mini`, the only one of its series."""
    series = make_assignment(tmp_path / "series")
    monkeypatch.setenv("AELIB_NOTEBOOKS", str(series))
    return series / "assignments" / "mini.ipynb"


def change_test(path, change):
    """Replace the source of the test of `double`."""
    notebook = nbformat.read(path, as_version=4)
    (cell,) = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "double-test"]
    cell.source = change(cell.source)
    nbformat.write(notebook, path)


def task(path, source):
    """Return the task of `double` whose test has this source."""
    change_test(path, lambda _: source)
    return assignment.load("mini").tasks[0]


def test_a_task_has_its_text_points_and_hidden_tests(notebook_path):
    loaded = assignment.load("mini")
    assert assignment.names() == ["mini"] and loaded.title == "A small assignment"
    assert [(task.name, task.title, task.points) for task in loaded.tasks] == [
        ("double-test", "Twice as much", 2),
        ("total-test", "The sum", 3),
        ("answer-test", "A value", 1),
    ]
    assert loaded.points == 6
    for task in loaded.tasks:
        assert task.text == f"## {task.title}"
        assert task.source.split("\n")[task.hidden_line - 1] == "### BEGIN HIDDEN TESTS"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("double(2)", ("double",)),
        ("np.array(double(2)); expect.equal('it', 1, len([1]))", ("double",)),
        ("import os.path as path\npath.join(a, os)", ("a", "os")),
        ("def f(x, *y, z=None):\n    local = x + y + z\n    return local + outside", ("outside",)),
        ("[item + offset for item in items]", ("items", "offset")),
        ("total = 0\nfor i in range(n):\n    total += i", ("n",)),
        ("class C:\n    value = base\n    def get(self):\n        return self.value", ("base",)),
        ("with make() as thing, open(thing):\n    pass\ntry:\n    pass\nexcept E as e:\n    e", ("E", "make")),
        ("f = lambda x: x + double(x)\nf(1)", ("double",)),
    ],
)
def test_a_task_requires_the_names_that_only_the_student_can_define(notebook_path, source, names):
    assert task(notebook_path, source).required_names == names


def test_a_region_of_hidden_tests_is_found_as_nbgrader_finds_it(notebook_path):
    assert task(notebook_path, "double(1)").hidden_line is None
    assert task(notebook_path, "double(1)\n#BEGIN HIDDEN TESTS here\ndouble(2)\n# END HIDDEN TESTS").hidden_line == 2


BEGIN, END = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda source: f"{source}\n{BEGIN}\n{END}", "at most one region of hidden tests"),
        (lambda source: source.replace(END, ""), "at most one region of hidden tests"),
        (lambda source: f"{source}\ndouble(4)", "the hidden tests must come last"),
    ],
)
def test_a_faulty_region_of_hidden_tests_is_refused(notebook_path, change, words):
    change_test(notebook_path, change)
    with pytest.raises(UsageError, match=words) as caught:
        assignment.load("mini")
    assert "mini, cell 4: " in str(caught.value)


def test_a_notebook_without_points_is_not_an_assignment(notebook_path):
    notebook = nbformat.read(notebook_path, as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader"):
            cell.metadata.nbgrader.grade = False
            cell.source = cell.source.replace("HIDDEN TESTS", "")
    nbformat.write(notebook, notebook_path)
    with pytest.raises(UsageError, match="mini: it must have an nbgrader test cell with points"):
        assignment.load("mini")


@pytest.mark.parametrize(
    ("code", "same"),
    [
        ("a = 1\nb = 2", True),
        ("a = 1  \r\n\r\nb = 2\t\n\n", True),
        ("### BEGIN SOLUTION\na = 1\n    ### END SOLUTION\nb = 2\n### BEGIN HIDDEN TESTS", True),
        ("a = 1\n b = 2", False),
        ("a = 1\nb = 2  # BEGIN SOLUTION", False),
        ("a = 1\n#\nb = 2", False),
    ],
)
def test_code_is_compared_without_spaces_at_line_ends_and_region_marks(code, same):
    assert (assignment.normalized(code) == assignment.normalized("a = 1\nb = 2")) is same
