"""The three assignments: the solution earns full points, a mistake only costs its task, the release reveals nothing."""

import base64
import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from classroom import Graded, hand_in, needs_sandbox
from nbgrader import preprocessors
from throwaway import start

from aelib.classroom import assignment
from aelib.classroom.nbgrader_format import student_version

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks" / "assignments"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
each = pytest.mark.parametrize("name", NAMES)
# For each task, correct code of the solution and a mistake that a student could make.
MISTAKES = {
    "compression": {
        "forward": ("(outputs[-1] @ W + b)", "(outputs[-1] @ W - b)"),
        "backward": ("* x_hat * (1 - x_hat)", ""),
        "encoder": ('activation="gelu"', 'activation="relu"'),
        "scale": ("(a - mean).std()", "a.std()"),
        "pca": ("mean = known.mean(axis=0)", "mean = images.mean(axis=0)"),
        "train": ("epochs=12, batch_size=50, learning_rate=0.01", "epochs=1, batch_size=500, learning_rate=0.0001"),
    },
    "sparse": {
        "l1": (".sum(axis=1).mean()", ".mean()"),
        "kl": ("((1 - q) * np.log((1 - q) / rho) + q * np.log(q / (1 - rho)))", "(q * np.log(q / (1 - rho)))"),
        "reverse": ("rho * np.log(rho / (1 - q))", "rho * np.log(rho / q)"),
        "gradient": (" / len(z)", ""),
        "topk": ("np.argsort(abs(z), axis=1)", "np.argsort(z, axis=1)"),
        "active": ("z != 0", "np.abs(z) > 1e-6"),
        "weight": ("1 - share", "share"),
    },
    "denoising": {
        "noise": ("np.clip(x + stddev", "np.abs(x + stddev"),
        "mask": ("return x * keep", "return x * keep / (1 - share)"),
        "downsample": (".mean(axis=(2, 4))", ".max(axis=(2, 4))"),
        "pairs": (
            "0, 1), x",
            "0, 1), np.clip(x + stddev * np.random.default_rng(seed).standard_normal(x.shape), 0, 1)",
        ),
        "psnr": ("-10 * np.log10", "-20 * np.log10"),
        "upsample": ("order=3", "order=0"),
        "denoiser": ("ClippedGaussianNoise(0.5, seed=0), ", ""),
    },
}
# Tasks that take minutes with Keras: left out of the submissions with a mistake in another task.
SLOW = {"compression": "train", "denoising": "denoiser", "sparse": None}


def text_of(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


def with_mistake(name, task, *, keep_slow):
    """Return the solution with a mistake in one task, as a student's notebook."""
    notebook = assignment.source(name)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id == task:
            right, wrong = MISTAKES[name][task]
            assert cell.source.count(right) >= 1, task
            cell.source = cell.source.replace(right, wrong)
        elif grade_id == SLOW[name] and not keep_slow:
            cell.source = ""
    return notebook


@each
def test_there_are_five_to_eight_tasks_with_points_and_hidden_tests(name):
    loaded = assignment.load(name)
    assert 5 <= len(loaded.tasks) <= 8 and len(NAMES) == 3
    assert {task.name.removesuffix("-test") for task in loaded.tasks} == set(MISTAKES[name])
    for task in loaded.tasks:
        assert task.points > 0 and task.hidden_line and task.required_names and re.match(r"\d\. ", task.title)


@each
def test_the_source_has_no_outputs_and_the_format_of_nbgrader(name):
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    ids = [cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert len(ids) == len(set(ids))
    for cell in notebook.cells:
        assert cell.cell_type != "code" or (not cell.outputs and cell.execution_count is None)
        if cell.metadata.get("nbgrader", {}).get("solution"):
            assert cell.source.count("### BEGIN SOLUTION") == cell.source.count("### END SOLUTION") == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_gets_all_points_a_blank_none_and_a_mistake_costs_its_task(name, tmp_path):
    loaded, slow = assignment.load(name), SLOW[name]
    lost_points = {"solution": {}, "blank": {task.name: 0 for task in loaded.tasks}}
    submissions = {"solution": assignment.source(name), "blank": student_version(assignment.source(name))}
    for task in MISTAKES[name]:
        submissions[f"wrong-{task}"] = with_mistake(name, task, keep_slow=task == slow)
        lost_points[f"wrong-{task}"] = {f"{lost}-test": 0 for lost in {task, slow} - {None}}
    hand_in(tmp_path / "in", submissions)
    out = tmp_path / "out"
    needs_sandbox()
    graded = Graded(start(ROOT / "notebooks", "grade", tmp_path / "in", "--assignment", name, "--out", out), out)
    assert graded.code == 0, graded.stderr
    for student, lost in lost_points.items():
        expected = {task.name: lost.get(task.name, task.points) for task in loaded.tasks}
        assert graded.points(student) == expected, graded.students[student]


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    out = tmp_path_factory.mktemp("release") / "for-students"
    process = start(ROOT / "notebooks", "release", "--out", out)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert stdout.split() == [str(out / f"{name}.ipynb") for name in NAMES]
    return out


@each
def test_the_release_contains_no_line_of_a_solution_or_hidden_test(release, name):
    source, student = assignment.source(name), nbformat.read(release / f"{name}.ipynb", as_version=4)
    text = text_of(student)
    assert "SOLUTION" not in text and "HIDDEN" not in text and text.count("# YOUR CODE HERE") == len(MISTAKES[name])
    lines = {line.strip() for line in text.split("\n")}
    for cell in source.cells:
        if "nbgrader" not in cell.metadata:
            continue
        for begin, end in (
            ("### BEGIN SOLUTION", "### END SOLUTION"),
            ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"),
        ):
            inside = cell.source.partition(begin)[2].partition(end)[0]
            secret = {line.strip() for line in inside.split("\n")} - {"", "else:", "return x", ")", "):"}
            assert not secret & lines, secret & lines
    for path in release.rglob("*"):
        assert "assignments" not in path.relative_to(release).parts
        if path.is_file() and path.suffix in (".py", ".ipynb", ".md", ".json", ".html"):
            assert "rotated = np.swapaxes" not in path.read_text(encoding="utf-8")


STEPS = ("ClearSolutions", "ClearHiddenTests", "ClearMarkScheme", "LockCells", "ClearOutput", "CheckCellMetadata")


def by_nbgrader(notebook):
    """Return the student version that nbgrader itself makes."""
    notebook, resources = nbformat.from_dict(notebook), {}
    for step in (*STEPS, "ComputeChecksums"):
        notebook, resources = getattr(preprocessors, step)().preprocess(notebook, resources)
    return notebook


@each
def test_the_release_is_what_nbgrader_makes_of_the_assignment(release, name):
    student = nbformat.read(release / f"{name}.ipynb", as_version=4)
    assert student == by_nbgrader(assignment.source(name))
    settings = [cell.metadata.nbgrader for cell in student.cells if "nbgrader" in cell.metadata]
    assert all("checksum" in cell for cell in settings if cell.grade or cell.locked)
    assert sum(cell.points for cell in settings if cell.grade) == assignment.load(name).points


@pytest.fixture(scope="module")
def unpacked(release, tmp_path_factory):
    """Return the folder to which the wheel in the release is unpacked, as `pip install` would do."""
    (wheel,) = release.glob("aelib-*.whl")
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_of_a_release_has_no_assignment_no_solution_and_no_grader(unpacked):
    names = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert "aelib/_repository/notebooks/01_compression.ipynb" in names and "aelib/classroom/expect.py" in names
    assert not [name for name in names if "assignments" in name or "solutions/" in name or "grader" in name]
    (record,) = unpacked.glob("*.dist-info/RECORD")
    rows = {row[0]: row[1:] for row in csv.reader(record.read_text().splitlines())}
    assert set(rows) == names
    for name, (digest, size) in rows.items():
        content = (unpacked / name).read_bytes()
        actual = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        assert name.endswith("RECORD") or (f"sha256={actual}", str(len(content))) == (digest, size)


def test_a_student_can_run_the_release_and_sees_what_is_missing(release, unpacked):
    code = (
        "import json, sys\n"
        "notebook = json.load(open('sparse.ipynb'))\n"
        "_, *cells = [''.join(cell['source']) for cell in notebook['cells'] if cell['cell_type'] == 'code']\n"
        "names = {'__name__': '__main__'}\n"
        "exec(cells[0], names)\n"
        "exec('def l1(z):\\n    return abs(z).mean()', names)\n"
        "exec(cells[2], names)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    done = subprocess.run([sys.executable, "-c", code], cwd=release, capture_output=True, text=True, env=environment)
    assert "AssertionError: S of two samples of three units: expected 3, received 1" in done.stderr
    assert "train (5000, 100)" in done.stdout


def test_a_release_never_overwrites(release):
    process = start(ROOT / "notebooks", "release", "sparse", "--out", release)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 2 and "exists and is not empty" in stderr and stderr.count("\n") == 1
    process = start(ROOT / "notebooks", "release", "nonsense", "--out", release.parent / "x")
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 2 and "no assignment 'nonsense'; available: compression, denoising, sparse" in stderr


CONFIG = """
c = get_config()
c.CourseDirectory.root = {root!r}
c.CourseDirectory.course_id = "test"
c.Exchange.root = {root!r} + "/exchange"
"""


def test_plain_nbgrader_grades_the_same_files(tmp_path, monkeypatch):
    # nbgrader finds a program of its environment on the PATH.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    (tmp_path / "nbgrader_config.py").write_text(CONFIG.format(root=str(tmp_path)))
    (tmp_path / "source" / "sparse").mkdir(parents=True)
    (tmp_path / "source" / "sparse" / "sparse.ipynb").write_bytes((FOLDER / "sparse.ipynb").read_bytes())

    def nbgrader(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-2000:]

    nbgrader("generate_assignment", "sparse")
    student = nbformat.read(tmp_path / "release" / "sparse" / "sparse.ipynb", as_version=4)
    wrong = nbformat.from_dict(student)
    marked = [cell for cell in assignment.source("sparse").cells if "nbgrader" in cell.metadata]
    answers = {cell.metadata.nbgrader.grade_id: cell.source for cell in marked}
    for notebook, skipped in ((student, ()), (wrong, ("topk",))):
        for cell in notebook.cells:
            settings = cell.metadata.get("nbgrader", {})
            if settings.get("solution") and settings.grade_id not in skipped:
                cell.source = answers[settings.grade_id]
    for name, notebook in (("ana", student), ("ben", wrong)):
        folder = tmp_path / "submitted" / name / "sparse"
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / "sparse.ipynb")
    nbgrader("autograde", "sparse")
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as book:
        scores = {name: book.find_submission("sparse", name).score for name in ("ana", "ben")}
    points = assignment.load("sparse")
    topk = next(task.points for task in points.tasks if task.name == "topk-test")
    assert scores == {"ana": points.points, "ben": points.points - topk}


def test_every_assignment_has_mistakes_to_test():
    assert set(MISTAKES) == set(SLOW) == set(NAMES)
    assert json.loads((FOLDER / "sparse.ipynb").read_text())["nbformat"] == 4
