"""The options of `python -m aelib grade` in; a graded class, and what the terminal says of it, out."""

import click

from aelib.classroom import assignment as assignments
from aelib.classroom import bubblewrap, course, gradebook, submissions
from aelib.classroom.grader import Limits
from aelib.series.publish import output_folder
from aelib.series.spec import UsageError, check_data


def grade(path, name, out, jobs, seconds, megabytes, trusted):
    """Grade a class and publish it under `out`; returns the exit code. Raises UsageError before anything is run."""
    name = name or _recognised(path)
    assignment = assignments.load(name)
    handed_in = submissions.collect(path, assignment)
    check_data()
    if not trusted:
        works, why = bubblewrap.available()
        if not works:
            raise UsageError(f"no sandbox for the submissions: {why}; --trust-submissions runs them without one")
    limits = Limits(seconds, megabytes * 2**20, trusted)
    with output_folder(out) as folder:
        grades = course.grade_all(handed_in, assignment, limits, folder, jobs=jobs)
        gradebook.publish(folder, assignment, grades, limits, known=(*assignment.setup, *assignment.stubs))
    full = sum(one.points == assignment.points for one in grades)
    looks = sum(bool(one.troubles) for one in grades)
    mean = sum(one.points for one in grades) / len(grades)
    click.echo(f"{assignment.title}: {len(grades)} submissions, {mean:.1f} of {assignment.points:g} points on average")
    click.echo(f"{full} with full points, {looks} that need a look\n\n{folder / 'summary.html'}")
    return 0


def _recognised(path):
    """The assignment that the names of the notebooks tell of; raises UsageError where they do not."""
    known = assignments.names()
    if len(known) == 1:
        return known[0]
    told = submissions.names_in(path)
    counts = {name: sum(name in one for one in told) for name in known}
    best = max(counts, key=counts.get, default=None)
    if best is None or counts[best] == 0 or list(counts.values()).count(counts[best]) > 1:
        raise UsageError(f"which assignment is it? say --assignment {' | '.join(known)}")
    return best
