"""A small assignment without Keras, submissions to it, and a way to grade them with `python -m aelib grade`."""

import csv
import json

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from needs import missing
from throwaway import Finished, make_series, start

from aelib.classroom import bubblewrap
from aelib.classroom.nbgrader_format import student_version as make_student_version

SECRET = 73912.84657
DOUBLE = "def double(x):\n    return 2 * x"
TOTAL = "def total(x):\n    return float(np.sum(x))"
ANSWER = "answer = [1.5, 2.5]"
POINTS = {"double-test": 2, "total-test": 3, "answer-test": 1}


def marked(grade_id, **settings):
    defaults = {"grade": False, "locked": False, "schema_version": 3, "solution": False, "task": False}
    return {"nbgrader": {**defaults, "grade_id": grade_id, **settings}}


def solution(grade_id, code):
    head, _, body = code.partition("\n")
    if body:
        code = f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION"
    else:
        code = f"### BEGIN SOLUTION\n{code}\n### END SOLUTION"
    return new_code_cell(code, metadata=marked(grade_id, solution=True))


def test(grade_id, visible, hidden):
    source = f"{visible}\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
    return new_code_cell(source, metadata=marked(grade_id, grade=True, locked=True, points=POINTS[grade_id]))


def make_assignment(folder):
    """Make a series whose only assignment is `mini`, and return its folder, for AELIB_NOTEBOOKS."""
    make_series(folder, {})
    (folder / "assignments").mkdir()
    setup = 'import numpy as np\n\nfrom aelib.classroom import expect\n\nprint("for the student")'
    cells = [
        new_markdown_cell("# A small assignment"),
        new_code_cell(setup, metadata=marked("setup", locked=True)),
        new_markdown_cell("## Twice as much"),
        solution("double", DOUBLE),
        test(
            "double-test",
            'expect.close("twice 3", double(np.array([3.0])), [6.0])',
            f'x = np.arange(4) + {SECRET}\nexpect.close("hidden", double(x), x + x)',
        ),
        new_markdown_cell("## The sum"),
        solution("total", TOTAL),
        test(
            "total-test",
            'expect.close("the sum of ones", total(np.ones(5)), 5.0)',
            f'x = np.random.default_rng(3).random(9) + {SECRET}\nexpect.close("hidden", total(x), x.sum())',
        ),
        new_markdown_cell("## A value"),
        solution("answer", ANSWER),
        test("answer-test", 'expect.shape("answer", answer, (2,))', 'expect.close("hidden", answer, [1.5, 2.5])'),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / "assignments" / "mini.ipynb")
    return folder


def student_version(series, name="mini"):
    notebook = nbformat.read(series / "assignments" / f"{name}.ipynb", as_version=4)
    return make_student_version(notebook)


def answered(series, double=DOUBLE, total=TOTAL, answer=ANSWER):
    """Return the student version with these answers; None leaves the stub."""
    notebook = student_version(series)
    for cell in notebook.cells:
        answers = {"double": double, "total": total, "answer": answer}
        code = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
        if code is not None:
            cell.source = code
    return notebook


def hand_in(folder, submissions):
    """Write {student: notebook, text or bytes} to a folder with a folder for each student, and return it."""
    for student, content in submissions.items():
        student_folder = folder / student
        student_folder.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, str | bytes):
            content = nbformat.writes(content)
        (student_folder / "mini.ipynb").write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


class Graded(Finished):
    """A finished run of `aelib grade`."""

    def __init__(self, process, out):
        super().__init__(process, out, timeout=900)

    @property
    def students(self):
        students = json.loads((self.out / "grades.json").read_text(encoding="utf-8"))["students"]
        return {student["student"]: student for student in students}

    def points(self, student):
        """Return {task: points} of a student."""
        return {task: result["points"] for task, result in self.students[student]["tasks"].items()}

    @property
    def table(self):
        with open(self.out / "grades.csv", encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def needs_sandbox():
    """Skip the test if this machine has no sandbox."""
    if problem := bubblewrap.problem():
        missing("bubblewrap", problem)


def grade(series, submissions, out, *options, **environment):
    if "--trust-submissions" not in options:
        needs_sandbox()
    return Graded(start(series, "grade", submissions, "--out", out, *options, **environment), out)
