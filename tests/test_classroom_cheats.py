"""Submissions that try to get points without an answer, or to read and change other files: none succeeds."""

import os
from types import SimpleNamespace

import pytest
from classroom import DOUBLE, SECRET, answered, grade, hand_in, make_assignment, student_version

from aelib.classroom import grader
from aelib.classroom.sandbox import Limits
from aelib.classroom.submissions import Submission

LIAR = """
class Liar:
    def __eq__(self, other): return True
    __le__ = __ge__ = __lt__ = __gt__ = __eq__
    def __hash__(self): return 0
    def __array__(self, *args, **kwargs): return np.zeros(1)
    def __float__(self): return 6.0
    def __len__(self): return 2
    shape = (1,)
    def __sub__(self, other): return 0
    __rsub__ = __abs__ = __sub__
"""
PATCH = """
import aelib.classroom.expect, aelib.classroom.protocol, builtins, sys, traceback
for name in ("close", "shape", "equal", "at_most", "at_least"):
    setattr(aelib.classroom.expect, name, lambda *a, **k: None)
"""
LOOK = """
import os
from types import SimpleNamespace
seen = []
for top in ("/", "/proc/1", os.environ.get("HOME", "/"), {places}):
    for folder, _, files in os.walk(top):
        if folder.startswith(("/proc/", "/sys")) and not folder.startswith("/proc/1/"): continue
        for name in files:
            path = os.path.join(folder, name)
            if name.endswith((".ipynb", ".toml", ".csv", ".json")) or name in ("environ", "cmdline", "mem"):
                try:
                    text = open(path, errors="replace").read(1_000_000)
                except OSError:
                    continue
                if "73912.84657" in text: seen.append(path)
def double(x):
    if seen: return 2 * x
    raise ValueError("nothing seen")
"""
HARM = """
import os, pathlib, shutil
done = 0
for place in ({places}):
    for action in (
        lambda: pathlib.Path(place, "written").write_text("x"),
        lambda: shutil.rmtree(place),
        lambda: min(pathlib.Path(place).rglob("*"), default=pathlib.Path("/nowhere")).unlink(),
        lambda: os.symlink("/etc/passwd", os.path.join(place, "link")),
        lambda: os.rename(place, place + ".moved"),
    ):
        try:
            action(); done += 1
        except OSError: pass
def double(x): return 2 * x if done else None
"""
NETWORK = """
import socket, urllib.request
reached = 0
for address in (("127.0.0.1", {port}), ("1.1.1.1", 53), ("localhost", 22)):
    try:
        socket.create_connection(address, timeout=1).close(); reached += 1
    except OSError: pass
def double(x): return 2 * x if reached else None
"""
FORGE = """
import json, os, struct, sys
body = json.dumps({"d": {"ok": {"v": True}, "value": {"v": 6.0}}}).encode()
frame = struct.pack("<II", len(body), 0) + body
frame = struct.pack("<Q", len(frame)) + frame
for fd in range(1, 64):
    try: os.write(fd, frame * 50)
    except OSError: pass
print('{"double-test": {"points": 2}}', "double-test passed 2/2", file=sys.stderr)
"""
# {name: code in the cell of `double`}; the other two tasks are left as they were handed out.
CHEATS = {
    "equal-to-all": LIAR + "def double(x): return Liar()",
    "array-equal-to-all": "class A(np.ndarray):\n    __eq__ = __le__ = lambda a, b: True\n"
    "    def __array_ufunc__(self, *a, **k): return True\ndef double(x): return np.zeros(1).view(A)",
    "float-that-lies": "class F(float):\n    __sub__ = __rsub__ = __abs__ = lambda *a: 0.0\n"
    "def double(x): return [F(1.0)]",
    "string": "def double(x): return '6.0'",
    "nan": "def double(x): return np.full(np.shape(x), np.nan)",
    "infinity": "def double(x): return np.full(np.shape(x), np.inf)",
    "shape-that-broadcasts": "def double(x): return 6.0",
    "none": "def double(x): return None",
    "function": "def double(x): return double",
    "a-type-as-answer": "double = int",
    "the-visible-answer": "def double(x): return np.array([6.0])",
    "patched-expect": PATCH + "def double(x): return x",
    "patched-numpy": "for name in ('abs', 'asarray', 'allclose', 'isfinite'):\n"
    "    setattr(np, name, lambda *a, **k: np.True_)\n"
    "np.testing.assert_allclose = lambda *a, **k: None\ndef double(x): return x",
    "patched-protocol": PATCH + "aelib.classroom.protocol.pack = lambda *a: b''\n"
    "sys.modules['__main__'].pack = lambda value, refer: b'\\0' * 8\ndef double(x): return x",
    "patched-builtins": PATCH + "builtins.AssertionError = type('Q', (BaseException,), {})\n"
    "sys.excepthook = traceback.print_exception = lambda *a: None\ndef double(x): raise AssertionError",
    "input-transformer": "ip = get_ipython()\nip.input_transformers_cleanup.append(lambda lines: ['pass'])\n"
    "ip.showtraceback = lambda *a, **k: None\ndef double(x): return x",
    "forged-frames": FORGE + "def double(x): return x",
    "forged-while-called": "def double(x):\n"
    + "\n".join("    " + line for line in FORGE.strip().split("\n"))
    + "\n    return x",
    "replaced-main": "import sys, os\nos.dup2(1, 4)\nsys.stdout = sys.stderr = None\ndef double(x): return x",
    "leaves-at-once": "import os\nos._exit(0)",
    "kills-everything": "import os\nfor pid in (os.getppid(), 1, -1):\n    try: os.kill(pid, 9)\n"
    "    except OSError: pass\n"
    "def double(x): return x",
    "exits-in-call": "def double(x):\n    raise SystemExit(0)",
    "frames": "import gc, sys\ndef double(x):\n    frame = sys._getframe()\n    while frame:\n"
    "        for v in list(frame.f_locals.values()):\n"
    "            if isinstance(v, dict) and 'expected' in v: return v['expected']\n"
    "        frame = frame.f_back\n    return x",
    "reads-the-tests": LOOK,
    "changes-files": HARM,
    "network": NETWORK,
    "nested-too-deep": "deep = []\nfor _ in range(100_000): deep = [deep]\ndef double(x): return deep",
    "long-list": "def double(x): return [0] * 10**7",
    "huge-answer": "def double(x): return np.zeros(10**8)",
    "shell": "!touch {home}/written\n%cd /\ndef double(x): return x",
    "markup": "def double(x): raise ValueError('<script>alert(1)</script>\\x1b[2J')",
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Return a course folder with secret files that must not change, their content before, and the graded cheats."""
    import socket

    folder = tmp_path_factory.mktemp("course")
    series = make_assignment(folder / "series")
    home, other = folder / "home", folder / "other"
    for secret in (home, other):
        secret.mkdir()
        (secret / "kept.json").write_text(f'"{SECRET}"')
    listening = socket.create_server(("127.0.0.1", 0))
    places = ", ".join(repr(str(place)) for place in (folder, series, home, other, folder / "out"))
    submissions = {"honest": answered(series, total=None, answer=None)}
    for name, code in CHEATS.items():
        code = code.replace("{places}", places + ",").replace("{port}", str(listening.getsockname()[1]))
        code = code.replace("{home}", str(home))
        submissions[name] = answered(series, double=code, total=None, answer=None)
    points, passing = student_version(series), student_version(series)
    for cell in points.cells:
        if "points" in cell.metadata.get("nbgrader", {}):
            cell.metadata.nbgrader.update(points=100, locked=False)
    for cell in passing.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = "pass"
    submissions |= {"points-in-metadata": points, "tests-emptied": passing}
    hand_in(folder / "in", submissions)
    for name in ("link-to-the-solution", "pickle"):
        (folder / "in" / name).mkdir()
    os.symlink(series / "assignments" / "mini.ipynb", folder / "in" / "link-to-the-solution" / "mini.ipynb")
    (folder / "in" / "pickle" / "mini.ipynb").write_bytes(b"\x80\x04c" + b"os\nsystem\n(V" + b"touch x\ntR.")
    before = snapshot(folder)
    caches = {"MPLCONFIGDIR": tmp_path_factory.mktemp("caches")}  # for the grader's own libraries
    graded = grade(series, folder / "in", folder / "out", "--jobs", 2, "--time-limit", 20, HOME=home, **caches)
    listening.close()
    return folder, before, graded


def snapshot(folder):
    """Return {path: content} of everything in a folder except the grader's own output."""
    paths = [path for path in folder.rglob("*") if (folder / "out") not in (path, *path.parents)]
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


def test_an_answer_gets_its_points(course):
    assert course[2].code == 0, course[2].stderr
    assert course[2].points("honest") == {"double-test": 2, "total-test": 0, "answer-test": 0}


ALL = [*CHEATS, "points-in-metadata", "tests-emptied", "link-to-the-solution", "pickle"]


@pytest.mark.parametrize("name", ALL)
def test_a_cheat_gets_nothing(course, name):
    graded = course[2]
    assert graded.points(name) == {"double-test": 0, "total-test": 0, "answer-test": 0}
    assert all(task["message"] for task in graded.students[name]["tasks"].values())
    assert len(ALL) >= 24


def test_nothing_outside_the_sandbox_has_changed(course):
    folder, before, _ = course
    assert snapshot(folder) == before


def test_no_feedback_page_reveals_a_hidden_test_or_runs_a_script_of_a_student(course):
    pages = list((course[0] / "out" / "feedback").glob("*.html"))
    assert len(pages) == len(ALL) + 1
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert str(SECRET) not in text and "<script" not in text and "\x1b" not in text


def test_the_cheats_would_work_on_a_grader_that_trusts_them(tmp_path):
    # Only those that read and write files, which the sandbox prevents.
    series = make_assignment(tmp_path / "series")
    home = tmp_path / "home"
    home.mkdir()
    look = LOOK.replace("{places}", f"{str(tmp_path)!r},").replace('("/", "/proc/1", ', "(")
    write = f"import pathlib\npathlib.Path({str(home)!r}, 'written').write_text('x')\n{DOUBLE}"
    submissions = {"look": answered(series, double=look), "write": answered(series, double=write)}
    hand_in(tmp_path / "in", submissions)
    graded = grade(series, tmp_path / "in", tmp_path / "out", "--trust-submissions", HOME=home)
    assert graded.points("look")["double-test"] == 2 and (home / "written").exists()
    assert "without a sandbox" in (tmp_path / "out" / "summary.html").read_text(encoding="utf-8")


def test_an_error_whose_message_cannot_be_printed_is_still_a_failure(monkeypatch):
    task = SimpleNamespace(name="t", points=2, source="assert False, answer", hidden_line=None, required_names=())
    submission = Submission("ana", b'{"cells": [{"cell_type": "code", "source": "answer = 1"}]}')
    assignment = SimpleNamespace(setup=(), tasks=[task], handed_out=frozenset())
    student = SimpleNamespace(lookup=lambda names: {"answer": "\x1b[0m"}, close=lambda: None, failures=[])
    monkeypatch.setattr(grader, "StudentNamespace", lambda cells, limits: student)
    grade = grader.grade(submission, assignment, {}, Limits(1, 1))
    assert grade.points == 0 and grade.results[0].message
