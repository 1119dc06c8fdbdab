"""The submissions of a class in; their grades out, each computed once, whatever happens to the others."""

import json
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from hashlib import sha256
from importlib import metadata
from multiprocessing import get_context, parent_process

from tqdm import tqdm

from aelib.classroom import grader
from aelib.classroom.gradebook import file_name
from aelib.classroom.grader import Grade, Result
from aelib.series.publish import write

DONE = ".grades"  # folder of what is done, so that a run that was cut off goes on


def grade_all(submissions, assignment, limits, folder, *, jobs=1):
    """The Grades of submissions, in their order: anew where the assignment, the limits or the submission changed."""
    done = folder / DONE
    done.mkdir(exist_ok=True)
    asked = [assignment.setup, [asdict(task) for task in assignment.tasks], sorted(assignment.released)]
    about = json.dumps([asked, asdict(limits), metadata.version("keras"), sys.version])
    keys = {one.student: sha256((about + one.student + one.digest).encode()).hexdigest() for one in submissions}
    grades = {}
    for one in submissions:
        if (kept := _kept(done / f"{file_name(one.student)}.json", keys[one.student])) is not None:
            grades[one.student] = kept
    waiting = [one for one in submissions if one.student not in grades]
    with tqdm(total=len(submissions), initial=len(grades), unit="student", file=sys.stderr, disable=None) as bar:

        def note(grade):
            grades[grade.student] = grade
            entry = {"key": keys[grade.student], "grade": asdict(grade)}
            write(done, f"{file_name(grade.student)}.json", json.dumps(entry))
            bar.update()

        _in_processes(waiting, assignment, limits, jobs, note)
        # A process that ended took others' work with it: each of these gets one of its own.
        for one in [one for one in waiting if one.student not in grades]:
            _in_processes([one], assignment, limits, 1, note)
            if one.student not in grades:
                note(_by_hand(one, assignment, "the grader's own process ended"))
    return [grades[one.student] for one in submissions]


def _in_processes(submissions, assignment, limits, jobs, note):
    if not submissions:
        return
    context = get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(submissions)), context, _begin, (assignment, limits))
    try:
        futures = [pool.submit(_grade, one) for one in submissions]
        for future in as_completed(futures):
            note(future.result())
    except BrokenProcessPool:
        pass
    except BaseException:
        # Ctrl-C must not wait for what is being graded.
        for process in list((pool._processes or {}).values()):
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(assignment, limits):
    global _work
    # Ctrl-C is for the process that shows the bar; it ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    _work = assignment, grader.trusted_namespace(assignment), limits


def _end_with_the_run():
    # A process of the pool outlives a killed run otherwise; its sandbox ends with it.
    parent_process().join()
    os.kill(os.getpid(), signal.SIGKILL)


def _grade(submission):
    assignment, namespace, limits = _work
    try:
        return grader.grade(submission, assignment, namespace, limits)
    except Exception as error:  # a fault of the grader; the rest of the class must have its grades
        return _by_hand(submission, assignment, f"the grader failed with {type(error).__name__}: {error}")


def _by_hand(submission, assignment, reason):
    results = [Result(task.name, 0, task.points, "could not be graded") for task in assignment.tasks]
    return Grade(submission.student, submission.digest, results, [f"grade it by hand: {reason}"])


def _kept(path, key):
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        if entry["key"] != key:
            return None
        grade = entry["grade"]
        return Grade(**{**grade, "results": [Result(**result) for result in grade["results"]]})
    except (OSError, ValueError, TypeError, KeyError):
        return None
