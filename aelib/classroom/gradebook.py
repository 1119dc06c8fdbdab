"""Grades in; grades.csv, grades.json, a feedback page per student and the instructor's summary out."""

import csv
import io
import json
import re
from collections import Counter
from functools import cache
from hashlib import sha256
from pathlib import Path

from markupsafe import Markup
from nbconvert.filters.markdown_mistune import MarkdownWithMath

from aelib.classroom import lookalike
from aelib.series.equations import TextRenderer
from aelib.series.page import environment
from aelib.series.publish import write

SCHEMA = "aelib.grades/1"
TEMPLATES = Path(__file__).parent / "templates"


def publish(folder, assignment, grades, limits, *, known=()):
    """Write all files of a class, whole; what is there of other students stays. known: as in `lookalike`."""
    feedback = folder / "feedback"
    feedback.mkdir(exist_ok=True)
    for grade in grades:
        write(feedback, f"{file_name(grade.student)}.html", feedback_html(assignment, grade))
    write(folder, "grades.csv", grades_csv(assignment, grades))
    write(folder, "grades.json", grades_json(assignment, grades))
    alike = lookalike.pairs({grade.student: grade.code for grade in grades}, known)
    write(folder, "summary.html", summary_html(assignment, grades, limits, alike))


def file_name(student):
    """A student's name as the name of a file, different for different students."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", student).strip("._")[:60]
    if plain == student and plain == plain.lower():
        return plain
    return f"{plain or 'student'}-{sha256(student.encode(errors='replace')).hexdigest()[:8]}"


def grades_csv(assignment, grades):
    """A row per student: name, points, points at most, a column per task."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["student", "points", "max_points", *(task.name for task in assignment.tasks)])
    for grade in grades:
        # A name that begins like a formula would be one in a spreadsheet.
        name = f"'{grade.student}" if grade.student[:1] in tuple("=+-@\t\r") else grade.student
        points = [_number(result.points) for result in grade.results]
        table.writerow([name, _number(grade.points), _number(assignment.points), *points])
    return text.getvalue()


def grades_json(assignment, grades):
    """The same with messages and remarks, for programs."""
    entries = [
        {
            "student": grade.student,
            "points": _number(grade.points),
            "tasks": {
                result.task: {"points": _number(result.points), "of": _number(result.of), "message": result.message}
                for result in grade.results
            },
            "remarks": grade.troubles,
        }
        for grade in grades
    ]
    about = {"schema": SCHEMA, "assignment": assignment.name, "max_points": _number(assignment.points)}
    return json.dumps({**about, "students": entries}, indent=1) + "\n"


def feedback_html(assignment, grade):
    """The page of a student: what was asked, what came, the points; no hidden test, and nothing that was printed."""
    asked = {task.name: Markup(_as_html(task.text)) for task in assignment.tasks}
    return _template("feedback.html").render(assignment=assignment, grade=grade, asked=asked, number=_number)


@cache
def _as_html(text):
    return MarkdownWithMath(renderer=TextRenderer()).render(text)


def summary_html(assignment, grades, limits, alike):
    """The page of the instructor."""
    rows = []
    for index, task in enumerate(assignment.tasks):
        earned = [grade.results[index].points for grade in grades]
        messages = [grade.results[index].message for grade in grades]
        reasons = Counter(_short(message) for message in messages if message)
        share = sum(earned) / (task.points * len(grades)) if grades else 0
        rows.append((task, share, reasons.most_common(3)))
    least, most = 0, assignment.points
    bins = [0] * 10
    for grade in grades:
        bins[min(9, int(10 * (grade.points - least) / (most or 1)))] += 1
    return _template("summary.html").render(
        assignment=assignment,
        grades=grades,
        rows=sorted(rows, key=lambda row: row[1]),
        bins=bins,
        looks=[grade for grade in grades if grade.troubles],
        alike=alike,
        limits=limits,
        number=_number,
        file_name=file_name,
    )


def _template(name):
    return environment(TEMPLATES).get_template(name)


def _short(message):
    return re.sub(r"-?\d+(\.\d+)?(e[+-]?\d+)?", "#", message.partition("\n")[0])[:120]


def _number(value):
    return int(value) if float(value).is_integer() else round(value, 4)
