"""One submission and an assignment in; its points, task by task, with what the student may read, out."""

import re
import traceback
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from time import monotonic

from aelib.classroom.sandbox import Ended, StudentError
from aelib.classroom.student import Student
from aelib.classroom.submissions import code_of

HIDDEN_FAILED = "passes the visible tests, but not the hidden ones: the same with other numbers and shapes"

STOPPED = "stopped: "


@dataclass(frozen=True)
class Limits:
    """What a submission may use: seconds in all, bytes of memory; trusted: without a sandbox."""

    seconds: float
    memory: int
    trusted: bool = False


@dataclass
class Result:
    """What a task earned. message: for the student; it never tells of a hidden test."""

    task: str
    points: float
    of: float
    message: str = ""


@dataclass
class Grade:
    """What a submission earned, and for the instructor why it needs a look."""

    student: str
    digest: str
    results: list[Result]
    troubles: list[str] = field(default_factory=list)
    printed: str = ""
    seconds: float = 0.0
    code: str = ""

    @property
    def points(self):
        return sum(result.points for result in self.results)


def trusted_namespace(assignment):
    """The names of an assignment's set-up, executed in this process, for its tests."""
    namespace = {"__name__": "__main__"}
    with redirect_stdout(StringIO()):  # what the set-up shows to a student is not for the terminal of a grader
        for source in assignment.setup:
            exec(compile(_without_magics(source), f"<{assignment.name}>", "exec"), namespace)
    return namespace


def grade(submission, assignment, namespace, limits):
    """The Grade of a submission. namespace: of `trusted_namespace`. Never raises for what a student did."""
    begin = monotonic()
    cells, trouble = code_of(submission, assignment)
    troubles = [*submission.remarks, *([trouble] if trouble else [])]
    if not trouble and not cells:
        troubles.append("nothing in it differs from what was handed out")
    if not cells:
        message = trouble or "not answered"
        results = [Result(task.name, 0, task.points, message) for task in assignment.tasks]
        return Grade(submission.student, submission.digest, results, troubles)
    setup = [(f"set-up {index}", source) for index, source in enumerate(assignment.setup, 1)]
    student = Student(setup + cells, seconds=limits.seconds, memory=limits.memory, trusted=limits.trusted)
    try:
        results = [_graded(task, student, namespace) for task in assignment.tasks]
    finally:
        student.close()
    troubles += student.remarks
    troubles += [f"{one.task}: {one.message}" for one in results if one.message.startswith(STOPPED)]
    code = "\n\n".join(source for _, source in cells)
    seconds = round(monotonic() - begin, 2)
    return Grade(submission.student, submission.digest, results, troubles, _printable(student.printed), seconds, code)


def _graded(task, student, namespace):
    try:
        given = student.stand_ins(task.names)
        missing = [name for name in task.names if name not in given]
        if missing:
            return Result(task.name, 0, task.points, f"{', '.join(missing)} is not defined{_why(student)}")
        exec(compile(task.source, f"<{task.name}>", "exec"), {**namespace, **given})
    except Ended as error:
        student.close()
        return Result(task.name, 0, task.points, f"{STOPPED}{_printable(str(error))}")
    except Exception as error:
        if task.hidden and _line(error, task) >= task.hidden:
            return Result(task.name, 0, task.points, HIDDEN_FAILED)
        raised = "raised " if isinstance(error, StudentError) else ""
        message = str(error) or type(error).__name__
        return Result(task.name, 0, task.points, _printable(raised + message)[:1000])
    return Result(task.name, task.points, task.points)


def _line(error, task):
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == f"<{task.name}>"]
    return lines[0] if lines else 0


def _why(student):
    return _printable(f" ({'; '.join(student.remarks)[:300]})") if student.remarks else ""


def _without_magics(source):
    return re.sub(r"(?m)^\s*[%!].*$", "", source)


def _printable(text):
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text)
