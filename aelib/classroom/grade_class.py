"""Grade a class: collect the submissions, grade them in parallel, and write the grades."""

import json
import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import click
from tqdm import tqdm

from aelib._files import output_folder, write_atomically
from aelib.classroom import assignment as assignments
from aelib.classroom import bubblewrap, gradebook, grader
from aelib.classroom.sandbox import Limits
from aelib.classroom.submissions import collect, notebook_names
from aelib.data.files import folder as data_folder
from aelib.series.spec import UsageError

STORE = ".grades"  # folder of finished grades, from which an interrupted run continues


def grade_class(path: str | Path, name: str | None, out: str | Path, jobs: int, limits: Limits) -> None:
    """Grade the submissions at a path, `jobs` at a time, write the grades to the folder `out`, and print a summary.

    If the name of the assignment is None, it is recognized by the names of the notebooks. Raises UsageError, before any
    submission is run, if an argument is wrong or there is no sandbox.
    """
    assignment = assignments.load(name or _recognized_name(path))
    submissions = collect(path, assignment)
    data_folder()  # raises UsageError where it is missing
    if not limits.trusted and (problem := bubblewrap.problem()):
        raise UsageError(f"no sandbox for the submissions: {problem}; --trust-submissions runs them without one")
    with output_folder(out) as folder:
        grades = _grade_all(submissions, assignment, limits, folder, jobs)
        gradebook.write(folder, assignment, grades, limits)
    full = sum(grade.points == assignment.points for grade in grades)
    to_review = sum(bool(grade.remarks) for grade in grades)
    mean = sum(grade.points for grade in grades) / len(grades)
    count = gradebook.counted(len(grades), "submission")
    click.echo(f"{assignment.title}: {count}, {mean:.1f} of {assignment.points:g} points on average")
    click.echo(f"{full} with full points, {to_review} to review\n\n{folder / 'summary.html'}")


def _grade_all(submissions, assignment, limits, folder, jobs):
    """Return the grades of submissions: a stored one, unless the assignment, the limits or the submission changed."""
    store = folder / STORE
    store.mkdir(exist_ok=True)
    conditions = [asdict(assignment), asdict(limits), metadata.version("keras"), sys.version]
    conditions = json.dumps(conditions, default=sorted)
    keys = {submission.student: _key(conditions, submission) for submission in submissions}
    paths = {student: store / f"{gradebook.file_name(student)}.json" for student in keys}
    stored = {student: _stored(paths[student], key) for student, key in keys.items()}
    grades = {student: grade for student, grade in stored.items() if grade}
    waiting = [submission for submission in submissions if submission.student not in grades]
    with tqdm(total=len(submissions), initial=len(grades), unit="student", file=sys.stderr, disable=None) as bar:

        def keep(grade):
            grades[grade.student] = grade
            entry = {"key": keys[grade.student], "grade": asdict(grade)}
            write_atomically(paths[grade.student], json.dumps(entry))
            bar.update()

        _grade_in_processes(waiting, assignment, limits, jobs, keep)
        # If a process dies, the pool loses all unfinished submissions, so each of these gets a process of its own.
        for submission in [submission for submission in waiting if submission.student not in grades]:
            _grade_in_processes([submission], assignment, limits, 1, keep)
            if submission.student not in grades:
                keep(_grade_by_hand(submission, assignment, "the grader's own process ended"))
    return [grades[submission.student] for submission in submissions]


def _recognized_name(path):
    known = assignments.names()
    if len(known) == 1:
        return known[0]
    notebooks = notebook_names(path)
    counts = {name: sum(name in notebook for notebook in notebooks) for name in known}
    candidates = [name for name in known if counts[name] == max(counts.values()) > 0]
    if len(candidates) != 1:
        raise UsageError(f"cannot tell which assignment this is; pass --assignment {' | '.join(known)}")
    return candidates[0]


def _grade_in_processes(submissions, assignment, limits, jobs, keep):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _initialize, (assignment, limits)) as pool:
        try:
            for future in as_completed([pool.submit(_grade, submission) for submission in submissions]):
                keep(future.result())
        except BrokenProcessPool:
            pass
        except BaseException:
            # Ctrl-C must not wait for the submissions in progress.
            for process in multiprocessing.active_children():
                process.kill()
            raise


def _initialize(assignment, limits):
    global _arguments
    # The parent process handles Ctrl-C, and ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _arguments = assignment, grader.trusted_namespace(assignment), limits


def _end_with_parent():
    # Otherwise this process would outlive a parent that is killed. The sandbox ends with this process.
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGKILL)


def _grade(submission):
    try:
        return grader.grade(submission, *_arguments)
    except Exception as error:  # a bug in the grader must not stop the grading of the class
        return _grade_by_hand(submission, _arguments[0], f"the grader failed with {type(error).__name__}: {error}")


def _grade_by_hand(submission, assignment, reason):
    return grader.ungraded(submission, assignment, "could not be graded", [f"grade it by hand: {reason}"])


def _key(conditions, submission):
    return sha256(f"{conditions} {submission.student!a} {submission.error}".encode() + submission.data).hexdigest()


def _stored(path, key):
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        results = [grader.Result(**result) for result in entry["grade"]["results"]]
        return grader.Grade(**{**entry["grade"], "results": results}) if entry["key"] == key else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
