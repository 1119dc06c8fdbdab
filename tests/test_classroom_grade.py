"""`python -m aelib grade`: every submission is graded, whatever it contains, within its limits."""

import json
import os
import random
import re
import signal
import time
import zipfile
from contextlib import suppress

import nbformat
import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import Visit, browser
from classroom import (
    ANSWER,
    DOUBLE,
    SECRET,
    TOTAL,
    answered,
    grade,
    hand_in,
    make_assignment,
    needs_sandbox,
    student_version,
)
from nbformat.v4 import new_code_cell
from throwaway import start

ALL = {"double-test": 2, "total-test": 3, "answer-test": 1}
NONE = dict.fromkeys(ALL, 0)
LIMIT = 12


def without(*tasks):
    return {**ALL, **{f"{task}-test": 0 for task in tasks}}


def cells_of(notebook, *ids):
    return [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") in ids]


def changed(series, change):
    notebook = answered(series)
    change(notebook)
    return notebook


def strip(notebook):
    for cell in notebook.cells:
        cell.metadata = {}
    notebook.metadata = {}


def rename(notebook):
    for cell in cells_of(notebook, "double", "total", "double-test"):
        cell.metadata.nbgrader.grade_id = "mine"


def duplicate(notebook):
    (double,) = cells_of(notebook, "double")
    notebook.cells.insert(2, nbformat.from_dict(double))
    notebook.cells.append(nbformat.from_dict(double))


def append_stub(notebook, series):
    notebook.cells += cells_of(student_version(series), "double")


def delete_tests(notebook):
    notebook.cells = [cell for cell in notebook.cells if not cell.metadata.get("nbgrader", {}).get("grade")]


BACKGROUND = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time\\nwhile True: time.sleep(1)"], start_new_session=True)
"""
BOMB = "import os\nwhile True:\n    os.fork()"
IGNORES_SIGNALS = """
import signal
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM): signal.signal(number, signal.SIG_IGN)
while True:
    try:
        while True: pass
    except BaseException: pass
"""


def indented(code):
    return "def double(x):\n" + "\n".join(f"    {line}" for line in code.strip().split("\n"))


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return make_assignment(tmp_path_factory.mktemp("mini") / "series")


def a_class(series):
    """Return {student: (submission, expected points, words of a message or remark)}."""
    text = nbformat.writes(answered(series))
    return {
        "reference": (answered(series), ALL, None),
        "blank": (student_version(series), NONE, "nothing in it differs"),
        "wrong-double": (answered(series, double="def double(x):\n    return 3 * x"), without("double"), "expected 6"),
        "wrong-total": (answered(series, total="def total(x):\n    return x"), without("total"), "total"),
        "wrong-answer": (answered(series, answer="answer = [2.5, 1.5]"), without("answer"), "hidden"),
        "only-visible": (
            answered(series, total="def total(x):\n    return 5.0"),
            without("total"),
            "fails the hidden ones",
        ),
        "raises": (answered(series, total="def total(x):\n    return x[99]"), without("total"), "IndexError"),
        "undefined": (answered(series, answer="anwser = 1"), without("answer"), "answer is not defined"),
        "syntax": (answered(series, double="def double(x) return"), without("double"), "SyntaxError"),
        "duplicated": (changed(series, duplicate), ALL, None),
        "stub-again": (changed(series, lambda nb: append_stub(nb, series)), ALL, None),
        "deleted": (answered(series, total=None), without("total"), "total is not defined"),
        "tests-deleted": (changed(series, delete_tests), ALL, None),
        "reordered": (changed(series, lambda nb: nb.cells.reverse()), ALL, None),
        "renamed": (changed(series, rename), ALL, None),
        "stripped": (changed(series, strip), ALL, None),
        "other-kernel": (
            changed(series, lambda nb: nb.metadata.update(kernelspec={"name": "julia"})),
            ALL,
            None,
        ),
        "magics": (
            changed(series, lambda nb: nb.cells.insert(1, new_code_cell("%matplotlib inline\n!true"))),
            ALL,
            None,
        ),
        "windows-lines": (text.replace("\\n", "\\r\\n"), ALL, None),
        "byte-order-mark": ("\ufeff" + text, ALL, None),
        "bad-json": (text[:-300], NONE, "not JSON"),
        "not-a-notebook": ('{"cells": 3}', NONE, "has no cells"),
        "empty": ("", NONE, "not JSON"),
        "binary": (os.urandom(1000), NONE, "not"),
        "large": (b"[" + b" " * 100_000_000, NONE, "100 MB"),
        "loop": (answered(series, double=indented("while True: pass")), without("double"), "did not end in time"),
        "loop-in-cell": (
            answered(series, double=f"{DOUBLE}\nwhile True: pass"),
            without("double"),
            "did not end in time",
        ),
        "ignores-signals": (
            answered(series, double=indented(IGNORES_SIGNALS)),
            without("double"),
            "did not end in time",
        ),
        "memory": (answered(series, double=indented("np.ones(2**30)")), without("double"), "emory"),
        "fork-bomb": (answered(series, double=indented(BOMB)), without("double"), "stopped"),
        "output": (
            answered(series, double=indented("while True: print('x' * 10**6)")),
            without("double"),
            "printed more than",
        ),
        "background": (answered(series, double=BACKGROUND + DOUBLE), ALL, None),
        "=formula": (answered(series), ALL, None),
    }


def processes():
    return {process.pid for process in psutil.process_iter() if process.status() != psutil.STATUS_ZOMBIE}


@pytest.fixture(scope="module")
def graded(series, tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    wanted = a_class(series)
    hand_in(folder / "in", {student: content for student, (content, *_) in wanted.items()})
    (folder / "in" / "nothing").mkdir()
    (folder / "in" / "nothing" / "essay.txt").write_text("I could not")
    options = ("--jobs", 2, "--time-limit", LIMIT, "--memory-limit", 1500)
    return grade(series, folder / "in", folder / "out", *options), wanted


def test_a_class_is_graded_to_its_end(graded):
    result, wanted = graded
    assert result.code == 0, result.stderr
    assert set(result.students) == {*wanted, "nothing"} == {*NAMES, "nothing"} and "Traceback" not in result.stderr
    assert result.stdout.startswith("A small assignment:") and "summary.html" in result.stdout


NAMES = [
    "reference",
    "blank",
    "wrong-double",
    "wrong-total",
    "wrong-answer",
    "only-visible",
    "raises",
    "undefined",
    "syntax",
    "duplicated",
    "stub-again",
    "deleted",
    "tests-deleted",
    "reordered",
    "renamed",
    "stripped",
    "other-kernel",
    "magics",
    "windows-lines",
    "byte-order-mark",
    "bad-json",
    "not-a-notebook",
    "empty",
    "binary",
    "large",
    "loop",
    "loop-in-cell",
    "ignores-signals",
    "memory",
    "fork-bomb",
    "output",
    "background",
    "=formula",
]


@pytest.mark.parametrize("student", NAMES)
def test_every_submission_gets_the_points_of_its_answers_and_reasons_for_the_others(graded, student):
    result, wanted = graded
    _, points, words = wanted[student]
    text = json.dumps(result.students[student])
    assert result.points(student) == points, text
    assert words is None or words in text
    assert words or not result.students[student]["remarks"], text
    for task in result.students[student]["tasks"].values():
        assert bool(task["message"]) is (task["points"] < task["of"])


def test_a_student_without_a_notebook_is_in_the_list(graded):
    assert graded[0].points("nothing") == NONE
    assert graded[0].students["nothing"]["remarks"] == ["no notebook was handed in"]


def test_no_submission_takes_longer_than_its_limit(graded):
    stored = (json.loads(path.read_text()) for path in (graded[0].out / ".grades").glob("*.json"))
    seconds = {entry["grade"]["student"]: entry["grade"]["seconds"] for entry in stored}
    assert len(seconds) == len(graded[0].students)
    assert max(seconds.values()) < LIMIT + 2, seconds


def left_over(before, marker):
    """Return the orphans since `before` that are in a sandbox or have the marker as AELIB_TEST in their environment."""
    orphans = []
    for pid in processes() - before:
        with suppress(psutil.Error, FileNotFoundError):
            process = psutil.Process(pid)
            # A process that outlives its grader is an orphan; other tests may have orphans of their own for a while.
            sandboxed = os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid")
            if process.ppid() == 1 and (sandboxed or process.environ().get("AELIB_TEST") == marker):
                orphans.append(process)
    return orphans


def test_no_process_is_left(series, tmp_path):
    wanted = a_class(series)
    names = ("background", "fork-bomb", "ignores-signals", "reference")
    hand_in(tmp_path / "in", {name: wanted[name][0] for name in names})
    before = processes()
    result = grade(series, tmp_path / "in", tmp_path / "out", "--time-limit", LIMIT, AELIB_TEST=tmp_path)
    assert result.code == 0 and result.points("reference") == ALL
    assert not left_over(before, str(tmp_path))


def test_ctrl_c_ends_the_grader_at_once_and_leaves_no_process(series, tmp_path):
    needs_sandbox()
    endless = a_class(series)["ignores-signals"][0]
    hand_in(tmp_path / "in", {"a": answered(series), "first": endless, "second": endless, "waiting": endless})
    before = processes()
    options = ("--out", tmp_path / "out", "--jobs", 2, "--time-limit", 600)
    process = start(series, "grade", tmp_path / "in", *options, AELIB_TEST=tmp_path)
    wait_until(lambda: (tmp_path / "out" / ".grades" / "a.json").exists())
    time.sleep(2)  # until the loops run
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    try:
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in stderr
    assert time.monotonic() - begin < 10
    wait_until(lambda: not left_over(before, str(tmp_path)))


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_grades_csv_has_a_column_per_task_and_no_formula(graded):
    rows = {row["student"]: row for row in graded[0].table}
    assert list(rows["reference"]) == ["student", "points", "max_points", *ALL]
    assert rows["reference"]["points"] == "6" and rows["wrong-total"]["total-test"] == "0"
    assert "'=formula" in rows and "=formula" not in rows


def test_the_page_of_a_student_shows_tasks_and_messages_but_no_hidden_test(graded):
    result, wanted = graded
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (result.out / "feedback").glob("*.html")}
    assert len(pages) == len(wanted) + 1
    assert "4 of 6 points" in pages["wrong-double"] and "Twice as much" in pages["wrong-double"]
    assert "twice 3: expected 6 at (0,), received 9" in pages["wrong-double"]
    assert not any(str(SECRET) in page or "BEGIN HIDDEN" in page for page in pages.values())


@pytest.mark.parametrize("page", ["summary", "feedback/wrong-double", "feedback/syntax"])
def test_the_pages_fit_a_phone_and_axe_finds_no_violation(graded, page):
    with browser() as chrome, Visit(chrome, graded[0].out / f"{page}.html", width=360, dark=True) as visit:
        assert not visit.complaints
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360
        report = Axe().run(visit.page, options={"runOnly": ["wcag2a", "wcag2aa"]})
        assert not report.response["violations"], report.generate_report()


def test_the_summary_names_missed_tasks_and_submissions_to_review(graded):
    page = (graded[0].out / "summary.html").read_text(encoding="utf-8")
    order = [page.index(f'<th scope="row">{task}:') for task in ("double-test", "total-test")]
    assert order == sorted(order)
    assert "not JSON" in page.partition("Submissions to review")[2].partition("Similar code")[0]


def test_a_zip_of_a_learning_platform_gets_the_same_grades(series, graded, tmp_path):
    wanted = {
        name: entry for name, entry in graded[1].items() if name in ("reference", "wrong-total", "stripped", "bad-json")
    }
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for student, (content, *_) in wanted.items():
            text = content if isinstance(content, str) else nbformat.writes(content)
            archive.writestr(f"{student}_4711_assignsubmission_file_/My mini (1).ipynb", text)
            archive.writestr(f"__MACOSX/{student}/._mini.ipynb", "x")
        archive.writestr("../../outside/mini.ipynb", nbformat.writes(answered(series)))
    result = grade(series, tmp_path / "all.zip", tmp_path / "out")
    assert result.code == 0
    for student, (_, points, _) in wanted.items():
        assert result.points(f"{student}_4711_assignsubmission_file_") == points
    assert result.points("outside") == ALL and not (tmp_path.parents[1] / "outside").exists()


@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.weekly)])
def test_a_grader_killed_at_random_times_gives_the_same_grades(series, tmp_path, kills):
    wanted = a_class(series)
    names = ("reference", "bad-json", "only-visible", "raises")
    hand_in(tmp_path / "in", {name: wanted[name][0] for name in names})
    begin = time.monotonic()
    undisturbed = grade(series, tmp_path / "in", tmp_path / "alone")
    alone = time.monotonic() - begin
    draw = random.Random(0)
    for attempt in range(kills):
        out = tmp_path / f"out{attempt // 5}"
        process = start(series, "grade", tmp_path / "in", "--out", out)
        time.sleep(draw.uniform(0.2, 1.0) * alone)
        process.kill()
        process.communicate()
        if attempt % 5 == 4:
            again = grade(series, tmp_path / "in", out)
            assert again.code == 0 and again.students == undisturbed.students
            for name in ("grades.csv", "grades.json"):
                assert (out / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


def test_grading_takes_two_seconds_per_submission_with_one_job_and_with_two(series, tmp_path):
    # A course has 300; 24 unless AELIB_CLASS is set, because 300 take minutes.
    size = int(os.environ.get("AELIB_CLASS", "24"))
    slow = ("large", "loop", "loop-in-cell", "ignores-signals")
    wanted = [submission for name, submission in a_class(series).items() if name not in slow]
    contents = {f"s{index:03d}": wanted[index % len(wanted)] for index in range(size)}
    hand_in(tmp_path / "in", {student: content for student, (content, *_) in contents.items()})
    needs_sandbox()
    results = []
    for jobs in (1, 2):
        begin = time.monotonic()
        process = start(
            series, "grade", tmp_path / "in", "--out", tmp_path / str(jobs), "--jobs", jobs, "--memory-limit", 1500
        )
        memory_mb = []
        while process.poll() is None:
            time.sleep(0.5)
            try:
                children = psutil.Process(process.pid).children(recursive=True)
                graders = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
                # Unique memory, because a grader's fork shares all of its pages until it executes a command.
                memory_mb.append(sum(grader.memory_full_info().uss for grader in graders) / 2**20)
            except psutil.Error:
                continue
        seconds = time.monotonic() - begin
        print(f"{size} submissions, {jobs} jobs: {seconds / size:.2f} s each, graders {max(memory_mb):.0f} MB at most")
        students = json.loads((tmp_path / str(jobs) / "grades.json").read_text())["students"]
        results.append(students)
        assert process.returncode == 0 and seconds / size < 2 + 10 / size
        middle = len(memory_mb) // 2
        assert max(memory_mb[middle:]) < 1.3 * max(memory_mb[:middle]) + 50
    # Only points are compared, because which limit a fork bomb exceeds first is random.
    alone, together = ([(student["student"], student["points"]) for student in students] for students in results)
    assert alone == together and len(alone) == size
    for student in results[0]:
        points = {task: entry["points"] for task, entry in student["tasks"].items()}
        assert points == contents[student["student"]][1], student


def test_an_unchanged_submission_is_not_graded_again_and_a_changed_one_is(series, tmp_path):
    hand_in(tmp_path / "in", {"a": answered(series), "b": answered(series, total=None)})
    assert grade(series, tmp_path / "in", tmp_path / "out").points("b") == without("total")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / ".grades").iterdir()}
    hand_in(tmp_path / "in", {"b": answered(series)})
    assert grade(series, tmp_path / "in", tmp_path / "out").points("b") == ALL
    now = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / ".grades").iterdir()}
    assert now["a.json"] == before["a.json"] and now["b.json"] > before["b.json"]


LONG = """
def double(x):
    result = []
    for index, value in enumerate(x):
        doubled = value + value
        if index >= 0 and doubled == doubled:
            result.append(doubled)
        else:
            result.append(doubled * 1)
    return np.array(result).reshape(np.shape(x))
"""
OTHER = """
def double(x):
    parts = [np.asarray(x), np.asarray(x)]
    stacked = np.stack(parts, axis=0)
    while stacked.shape[0] > 1:
        stacked = np.add(stacked[:-1], stacked[1:])
    return stacked.squeeze(axis=0)
"""


def test_similar_code_is_found_even_if_names_are_changed(series, tmp_path):
    renamed = re.sub(r"\bvalue\b", "pixel", re.sub(r"\bresult\b", "found", LONG.strip())).replace("doubled", "twice")
    contents = {"ana": LONG.strip(), "ben": renamed, "eva": OTHER.strip()}
    hand_in(tmp_path / "in", {name: answered(series, double=code) for name, code in contents.items()})
    result = grade(series, tmp_path / "in", tmp_path / "out")
    assert [result.points(name) for name in contents] == [ALL] * 3
    alike = (
        (tmp_path / "out" / "summary.html")
        .read_text(encoding="utf-8")
        .partition("Similar code")[2]
        .partition("<h2>")[0]
    )
    assert "ana" in alike and "ben" in alike and "eva" not in alike


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{in}/nowhere"], "no submissions at"),
        (["{in}", "--assignment", "other"], "no assignment 'other'; available: mini"),
        (["{in}/file"], "is neither a folder nor a zip"),
        (["{in}/hollow"], "no submission under"),
        (["{in}", "--jobs", "0"], "--jobs"),
        (["{in}", "--time-limit", "0"], "--time-limit"),
        (["{in}", "--out", "{in}/file"], "cannot write to the folder"),
    ],
)
def test_a_usage_error_is_one_line(series, tmp_path, arguments, words):
    (tmp_path / "hollow").mkdir()
    (tmp_path / "file").write_text("x")
    arguments = [argument.replace("{in}", str(tmp_path)) for argument in arguments]
    # Without a sandbox, because nothing is executed, and the error must be reported without one, too.
    process = start(series, "grade", "--trust-submissions", "--out", tmp_path / "out", *arguments)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 2 and stderr.count("\n") == 1 and words in stderr


def test_one_submission_is_in_the_singular(series, tmp_path):
    hand_in(tmp_path / "in", {"a": answered(series)})
    result = grade(series, tmp_path / "in", tmp_path / "out")
    assert result.stdout.startswith(
        "A small assignment: 1 submission, 6.0 of 6 points on average\n1 with full points, 0 "
    )
    assert "A small assignment: 1 submission</h1>" in (tmp_path / "out" / "summary.html").read_text(encoding="utf-8")


def test_without_a_sandbox_grading_is_refused(series, tmp_path):
    hand_in(tmp_path / "in", {"a": answered(series)})
    result = start(series, "grade", tmp_path / "in", "--out", tmp_path / "out", AELIB_BWRAP="/nowhere")
    stderr = result.communicate(timeout=60)[1]
    assert result.returncode == 2 and "no sandbox" in stderr and "--trust-submissions" in stderr
    assert not (tmp_path / "out").exists()


def test_the_small_assignment_has_the_answers_that_these_tests_assume():
    assert DOUBLE.startswith("def double") and TOTAL.startswith("def total") and ANSWER.startswith("answer")
