"""Write the grades of a class: grades.csv, grades.json, a feedback page per student, and the instructor's summary."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from markupsafe import Markup
from nbconvert.filters.markdown_mistune import MarkdownWithMath

from aelib._files import write_atomically
from aelib.classroom.assignment import Assignment
from aelib.classroom.grader import Grade
from aelib.classroom.sandbox import Limits
from aelib.classroom.similarity import similar_pairs
from aelib.series.equations import TextRenderer
from aelib.series.page import environment

SCHEMA = "aelib.grades/1"
TEMPLATES = Path(__file__).parent / "templates"
BINS = 10  # in the distribution of points


def write(folder: Path, assignment: Assignment, grades: list[Grade], limits: Limits) -> None:
    """Write all files of a class, each atomically; files of other students in the folder are kept."""
    feedback = folder / "feedback"
    feedback.mkdir(exist_ok=True)
    texts = {
        task.name: Markup(MarkdownWithMath(renderer=TextRenderer()).render(task.text)) for task in assignment.tasks
    }
    for grade in grades:
        page = _rendered("feedback.html", assignment=assignment, grade=grade, texts=texts)
        write_atomically(feedback / f"{file_name(grade.student)}.html", page)
    write_atomically(folder / "grades.csv", grades_csv(assignment, grades))
    write_atomically(folder / "grades.json", grades_json(assignment, grades))
    codes = {grade.student: grade.code for grade in grades}
    similar = similar_pairs(codes, (*assignment.setup, *assignment.stubs))
    write_atomically(folder / "summary.html", summary_html(assignment, grades, limits, similar))


def file_name(student: str) -> str:
    """Return a file name for a student, different for different students."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", student).strip("._")[:60]
    if plain == student and plain == plain.lower():
        return plain
    return f"{plain or 'student'}-{sha256(student.encode(errors='replace')).hexdigest()[:8]}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: "1 submission", "2 submissions"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def grades_csv(assignment: Assignment, grades: Iterable[Grade]) -> str:
    """Return a table with a row per student: name, points, maximum points, and the points of each task."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["student", "points", "max_points", *(task.name for task in assignment.tasks)])
    for grade in grades:
        # A spreadsheet would evaluate a name that begins like a formula.
        name = f"'{grade.student}" if grade.student.startswith(tuple("=+-@\t\r")) else grade.student
        points = (grade.points, assignment.points, *(result.points for result in grade.results))
        table.writerow([name, *map(_number, points)])
    return text.getvalue()


def grades_json(assignment: Assignment, grades: Iterable[Grade]) -> str:
    """Return the grades as JSON, with messages and remarks."""

    def entry(result):
        return {"points": _number(result.points), "of": _number(result.max_points), "message": result.message}

    students = [
        {
            "student": grade.student,
            "points": _number(grade.points),
            "tasks": {result.task: entry(result) for result in grade.results},
            "remarks": grade.remarks,
        }
        for grade in grades
    ]
    header = {"schema": SCHEMA, "assignment": assignment.name, "max_points": _number(assignment.points)}
    return json.dumps({**header, "students": students}, indent=1) + "\n"


def summary_html(assignment: Assignment, grades: list[Grade], limits: Limits, similar: list[tuple]) -> str:
    """Return the instructor's page; `similar` is what `similar_pairs` returns."""
    tasks = []
    for task, *results in zip(assignment.tasks, *(grade.results for grade in grades), strict=True):
        reasons = Counter(_without_numbers(result.message) for result in results if result.message)
        earned = sum(result.points for result in results) / (task.points * len(results) or 1)
        tasks.append((task, earned, reasons.most_common(3)))
    bins = Counter(min(BINS - 1, int(BINS * grade.points / (assignment.points or 1))) for grade in grades)
    return _rendered(
        "summary.html",
        assignment=assignment,
        grades=grades,
        tasks=sorted(tasks, key=lambda row: row[1]),
        bins=[bins[index] for index in range(BINS)],
        similar=similar,
        limits=limits,
    )


def _rendered(template, **values):
    helpers = {"number": _number, "file_name": file_name, "counted": counted}
    return environment(TEMPLATES).get_template(template).render(**values, **helpers)


def _without_numbers(message):
    return re.sub(r"-?\d+(\.\d+)?(e[+-]?\d+)?", "#", message.partition("\n")[0])[:120]


def _number(value):
    return int(value) if float(value).is_integer() else round(value, 4)
