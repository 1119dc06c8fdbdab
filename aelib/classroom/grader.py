"""Grade one submission: run the tests of an assignment in this process, on objects that stay in the sandbox."""

import re
import traceback
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from time import monotonic

from aelib.classroom.assignment import Assignment
from aelib.classroom.sandbox import Limits, SandboxTerminated, StudentError
from aelib.classroom.student_namespace import StudentNamespace
from aelib.classroom.submissions import Submission, answer_cells

HIDDEN_FAILED = "passes the visible tests but fails the hidden ones, which use other numbers and shapes"
STOPPED = "stopped: "  # first word of the message of a task whose process was ended


@dataclass
class Result:
    """The points of a task, and a message for the student, which never reveals a hidden test."""

    task: str
    points: float
    max_points: float
    message: str = ""


@dataclass
class Grade:
    """The results of a submission; remarks say why an instructor should review it, code is what was graded."""

    student: str
    results: list[Result]
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0
    code: str = ""

    @property
    def points(self) -> float:
        return sum(result.points for result in self.results)


def trusted_namespace(assignment: Assignment) -> dict[str, object]:
    """Execute the set-up of an assignment in this process, and return the names that its tests use."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    with redirect_stdout(StringIO()):  # what the set-up prints is for students
        for source in assignment.setup:
            without_magics = re.sub(r"(?m)^\s*[%!].*$", "", source)
            exec(compile(without_magics, f"<{assignment.name}>", "exec"), namespace)
    return namespace


def ungraded(submission: Submission, assignment: Assignment, message: str, remarks: list[str]) -> Grade:
    """Return the grade of a submission that could not be graded, with the same message for every task."""
    return Grade(submission.student, [Result(task.name, 0, task.points, message) for task in assignment.tasks], remarks)


def grade(submission: Submission, assignment: Assignment, namespace: dict, limits: Limits) -> Grade:
    """Grade a submission; no error of its code is raised. `namespace` is what `trusted_namespace` returns."""
    begin = monotonic()
    cells, error = answer_cells(submission, assignment)
    if not cells:
        remark = error or "nothing in it differs from what was handed out"
        return ungraded(submission, assignment, error or "not answered", [*submission.remarks, remark])
    setup = [(f"set-up {number}", source) for number, source in enumerate(assignment.setup, 1)]
    student = StudentNamespace(setup + cells, limits)
    try:
        results = [_grade_task(task, student, namespace) for task in assignment.tasks]
    finally:
        student.close()
    remarks = [*submission.remarks, *student.failures]
    remarks += [f"{result.task}: {result.message}" for result in results if result.message.startswith(STOPPED)]
    code = "\n\n".join(source for _, source in cells)
    return Grade(submission.student, results, remarks, round(monotonic() - begin, 2), code)


def _grade_task(task, student, namespace):
    reason = _failure(task, student, namespace)
    if reason is None:
        return Result(task.name, task.points, task.points)
    return Result(task.name, 0, task.points, reason or "failed")


def _failure(task, student, namespace):
    """Run the test of a task, and return why it failed, or None."""
    try:
        answers = student.lookup(task.required_names)
        if missing := [name for name in task.required_names if name not in answers]:
            reason = "; ".join(student.failures)[:300]
            return _printable(f"{', '.join(missing)} is not defined" + (f" ({reason})" if reason else ""))
        exec(compile(task.source, f"<{task.name}>", "exec"), {**namespace, **answers})
    except SandboxTerminated as error:
        return _printable(f"{STOPPED}{error}")
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == f"<{task.name}>"]
        if task.hidden_line and lines and lines[0] >= task.hidden_line:
            return HIDDEN_FAILED
        raised = "raised " if isinstance(error, StudentError) else ""
        return _printable(raised + (str(error) or type(error).__name__))[:1000]
    return None


def _printable(text):
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in text)
