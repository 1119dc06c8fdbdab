"""`python -m aelib grade`: every submission gets its grade, whatever it is, and within its limits."""

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
DEAF = """
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
    """{student: (what is handed in, points, words of a message or a remark)}."""
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
        "stub-again": (changed(series, lambda one: append_stub(one, series)), ALL, None),
        "deleted": (answered(series, total=None), without("total"), "total is not defined"),
        "tests-deleted": (changed(series, delete_tests), ALL, None),
        "reordered": (changed(series, lambda one: one.cells.reverse()), ALL, None),
        "renamed": (changed(series, rename), ALL, None),
        "stripped": (changed(series, strip), ALL, None),
        "other-kernel": (changed(series, lambda one: one.metadata.update(kernelspec={"name": "julia"})), ALL, None),
        "magics": (
            changed(series, lambda one: one.cells.insert(1, new_code_cell("%matplotlib inline\n!true"))),
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
        "deaf": (answered(series, double=indented(DEAF)), without("double"), "did not end in time"),
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
    return {one.pid for one in psutil.process_iter() if one.status() != psutil.STATUS_ZOMBIE}


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
    "deaf",
    "memory",
    "fork-bomb",
    "output",
    "background",
    "=formula",
]


@pytest.mark.parametrize("student", NAMES)
def test_each_gets_the_points_of_its_answers_and_a_reason_for_the_others(graded, student):
    result, wanted = graded
    _, points, words = wanted[student]
    said = json.dumps(result.students[student])
    assert result.points(student) == points, said
    assert words is None or words in said
    assert words or not result.students[student]["remarks"], said
    for task in result.students[student]["tasks"].values():
        assert bool(task["message"]) is (task["points"] < task["of"])


def test_who_handed_in_no_notebook_is_in_the_list(graded):
    assert graded[0].points("nothing") == NONE
    assert graded[0].students["nothing"]["remarks"] == ["no notebook was handed in"]


def test_no_submission_takes_longer_than_its_limit(graded):
    kept = (json.loads(path.read_text()) for path in (graded[0].out / ".grades").glob("*.json"))
    seconds = {one["grade"]["student"]: one["grade"]["seconds"] for one in kept}
    assert len(seconds) == len(graded[0].students)
    assert max(seconds.values()) < LIMIT + 2, seconds


def left_over(before, marker):
    """Return the orphans since `before` that are in a sandbox or have the marker as AELIB_TEST in their environment."""
    orphans = []
    for pid in processes() - before:
        with suppress(psutil.Error, FileNotFoundError):
            process = psutil.Process(pid)
            # What outlives its grader has no parent any more; other tests may leave orphans of their own for a while.
            sandboxed = os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid")
            if process.ppid() == 1 and (sandboxed or process.environ().get("AELIB_TEST") == marker):
                orphans.append(process)
    return orphans


def test_no_process_is_left(series, tmp_path):
    wanted = a_class(series)
    names = ("background", "fork-bomb", "deaf", "reference")
    hand_in(tmp_path / "in", {name: wanted[name][0] for name in names})
    before = processes()
    result = grade(series, tmp_path / "in", tmp_path / "out", "--time-limit", LIMIT, AELIB_TEST=tmp_path)
    assert result.code == 0 and result.points("reference") == ALL
    assert not left_over(before, str(tmp_path))


def test_ctrl_c_ends_the_grader_at_once_and_leaves_no_process(series, tmp_path):
    needs_sandbox()
    deaf = a_class(series)["deaf"][0]
    hand_in(tmp_path / "in", {"a": answered(series), "deaf": deaf, "deaf-too": deaf, "waiting": deaf})
    before = processes()
    options = ("--out", tmp_path / "out", "--jobs", 2, "--time-limit", 600)
    process = start(series, "grade", tmp_path / "in", *options, AELIB_TEST=tmp_path)
    wait_until(lambda: (tmp_path / "out" / ".grades" / "a.json").exists())
    time.sleep(2)  # for the deaf ones to loop
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    try:
        said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in said[1]
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


def test_a_page_per_student_says_what_was_asked_and_what_came_but_no_hidden_test(graded):
    result, wanted = graded
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (result.out / "feedback").glob("*.html")}
    assert len(pages) == len(wanted) + 1
    assert "4 of 6 points" in pages["wrong-double"] and "Twice as much" in pages["wrong-double"]
    assert "twice 3: expected 6 at (0,), received 9" in pages["wrong-double"]
    assert not any(str(SECRET) in page or "BEGIN HIDDEN" in page for page in pages.values())


@pytest.mark.parametrize("page", ["summary", "feedback/wrong-double", "feedback/syntax"])
def test_the_pages_fit_a_phone_and_have_no_fault_that_axe_finds(graded, page):
    with browser() as running, Visit(running, graded[0].out / f"{page}.html", width=360, dark=True) as visit:
        assert not visit.complaints
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360
        found = Axe().run(visit.page, options={"runOnly": ["wcag2a", "wcag2aa"]})
        assert not found.response["violations"], found.generate_report()


def test_the_summary_names_missed_tasks_and_who_needs_a_look(graded):
    page = (graded[0].out / "summary.html").read_text(encoding="utf-8")
    order = [page.index(f'<th scope="row">{task}:') for task in ("double-test", "total-test")]
    assert order == sorted(order)
    assert "not JSON" in page.partition("Submissions to review")[2].partition("Similar code")[0]


def test_the_same_grades_from_a_zip_of_a_learning_platform(series, graded, tmp_path):
    wanted = {
        name: one for name, one in graded[1].items() if name in ("reference", "wrong-total", "stripped", "bad-json")
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
def test_a_grader_killed_at_random_moments_gives_the_same_grades(series, tmp_path, kills):
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


def test_a_class_is_graded_in_two_seconds_each_with_one_job_and_with_two(series, tmp_path):
    # 300, as a course has; 24 unless AELIB_CLASS says otherwise, as the 300 take minutes.
    size = int(os.environ.get("AELIB_CLASS", "24"))
    wanted = [one for name, one in a_class(series).items() if name not in ("large", "loop", "loop-in-cell", "deaf")]
    contents = {f"s{index:03d}": wanted[index % len(wanted)] for index in range(size)}
    hand_in(tmp_path / "in", {student: content for student, (content, *_) in contents.items()})
    needs_sandbox()
    results = []
    for jobs in (1, 2):
        begin = time.monotonic()
        process = start(
            series, "grade", tmp_path / "in", "--out", tmp_path / str(jobs), "--jobs", jobs, "--memory-limit", 1500
        )
        peak = []
        while process.poll() is None:
            time.sleep(0.5)
            try:
                family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
                own = [one for one in family if "spawn_main" in " ".join(one.cmdline())]
                peak.append(sum(one.memory_info().rss for one in own) / 2**20)
            except psutil.Error:
                continue
        seconds = time.monotonic() - begin
        print(f"{size} submissions, {jobs} jobs: {seconds / size:.2f} s each, own processes {max(peak):.0f} MB at most")
        students = json.loads((tmp_path / str(jobs) / "grades.json").read_text())["students"]
        results.append(students)
        assert process.returncode == 0 and seconds / size < 2 + 10 / size
        middle = peak[len(peak) // 2 :]
        assert max(middle) < 1.3 * max(peak[: len(peak) // 2]) + 50
    # The points; which of its limits a fork bomb breaks first is a matter of chance.
    alone, together = ([(one["student"], one["points"]) for one in students] for students in results)
    assert alone == together and len(alone) == size
    for one in results[0]:
        points = {task: entry["points"] for task, entry in one["tasks"].items()}
        assert points == contents[one["student"]][1], one


def test_an_unchanged_submission_is_not_graded_again_and_a_changed_one_is(series, tmp_path):
    hand_in(tmp_path / "in", {"a": answered(series), "b": answered(series, total=None)})
    assert grade(series, tmp_path / "in", tmp_path / "out").points("b") == without("total")
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / ".grades").iterdir()}
    hand_in(tmp_path / "in", {"b": answered(series)})
    assert grade(series, tmp_path / "in", tmp_path / "out").points("b") == ALL
    now = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / ".grades").iterdir()}
    assert now["a.json"] == kept["a.json"] and now["b.json"] > kept["b.json"]


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


def test_similar_code_is_found_though_names_are_changed(series, tmp_path):
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
        (["{in}", "--assignment", "other"], "no assignment 'other'; there are mini"),
        (["{in}/file"], "is neither a folder nor a zip"),
        (["{in}/hollow"], "no submission under"),
        (["{in}", "--jobs", "0"], "--jobs"),
        (["{in}", "--time-limit", "0"], "--time-limit"),
        (["{in}", "--out", "{in}/file"], "cannot write to the folder"),
    ],
)
def test_a_mistake_is_told_in_one_line(series, tmp_path, arguments, words):
    (tmp_path / "hollow").mkdir()
    (tmp_path / "file").write_text("x")
    arguments = [one.replace("{in}", str(tmp_path)) for one in arguments]
    # Without a sandbox, for nothing is executed, and a mistake is told where there is none, too.
    process = start(series, "grade", "--trust-submissions", "--out", tmp_path / "out", *arguments)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 2 and said.count("\n") == 1 and words in said


def test_one_submission_is_called_so(series, tmp_path):
    hand_in(tmp_path / "in", {"a": answered(series)})
    result = grade(series, tmp_path / "in", tmp_path / "out")
    assert result.stdout.startswith(
        "A small assignment: 1 submission, 6.0 of 6 points on average\n1 with full points, 0 "
    )
    assert "A small assignment: 1 submission</h1>" in (tmp_path / "out" / "summary.html").read_text(encoding="utf-8")


def test_without_a_sandbox_it_refuses(series, tmp_path):
    hand_in(tmp_path / "in", {"a": answered(series)})
    result = start(series, "grade", tmp_path / "in", "--out", tmp_path / "out", AELIB_BWRAP="/nowhere")
    said = result.communicate(timeout=60)[1]
    assert result.returncode == 2 and "no sandbox" in said and "--trust-submissions" in said
    assert not (tmp_path / "out").exists()


def test_answers_of_the_small_assignment_are_what_these_tests_take_them_for():
    assert DOUBLE.startswith("def double") and TOTAL.startswith("def total") and ANSWER.startswith("answer")
