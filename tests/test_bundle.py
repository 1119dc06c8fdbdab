"""What is handed out: the chapters, the students' wheel and how to install it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import aelib
from aelib import bundle
from aelib.series.spec import UsageError

ROOT = Path(__file__).parents[1]
CHAPTERS = [path.name for path in (ROOT / "notebooks").glob("0*.ipynb")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return bundle.bundle(tmp_path_factory.mktemp("bundle") / "course")


def test_a_bundle_holds_the_chapters_their_solutions_and_how_to_install_them(made):
    (wheel,) = made.glob("*.whl")
    held = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    solutions = [f"solutions/{name}" for name in CHAPTERS]
    assert held == {wheel.name, "README.md", "constraints.txt", *CHAPTERS, *solutions}
    text = (made / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in CHAPTERS) and wheel.name in text and "solutions/" in text
    assert text.count(f'-c constraints.txt --find-links . "aelib[tensorflow,lab]=={aelib.__version__}"') == 2


def test_the_students_wheel_holds_the_library_its_license_and_nothing_for_instructors(made):
    (wheel,) = made.glob("*.whl")
    info = f"aelib-{aelib.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        held, programs = set(archive.namelist()), archive.read(f"{info}/entry_points.txt")
    assert b"aelib = aelib.__main__:main" in programs
    ours = {path.relative_to(ROOT).as_posix() for path in (ROOT / "aelib").rglob("*") if path.is_file()}
    ours = {name for name in ours if "__pycache__" not in name}
    for_students = {"aelib/classroom/__init__.py", "aelib/classroom/expect.py"}
    about = {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    kept = ["constraints.txt", "data/README.md", "data/mnist_5k.npz", "notebooks/series.toml"]
    kept += [f"notebooks/{name}" for name in CHAPTERS]
    expected = {name for name in ours if not name.startswith("aelib/classroom/")} | for_students | about
    assert held == expected | {f"aelib/_repository/{name}" for name in kept}


def test_what_lies_about_in_the_checkout_is_not_handed_out(tmp_path, monkeypatch):
    (tmp_path / "aelib" / ".ipynb_checkpoints").mkdir(parents=True)
    for name in ("__init__.py", "grades.csv", ".ipynb_checkpoints/a.py", "a.pyc"):
        (tmp_path / "aelib" / name).touch()
    monkeypatch.setattr(bundle, "PACKAGE", tmp_path / "aelib")
    with zipfile.ZipFile(bundle.write_wheel(tmp_path)) as archive:
        held = [name for name in archive.namelist() if not name.startswith(("aelib/_repository", "aelib-"))]
    assert held == ["aelib/__init__.py"]


def test_in_a_students_copy_the_commands_for_instructors_say_so(made, tmp_path):
    (wheel,) = made.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    for command in (["release"], ["grade", "x"], ["bundle", "--out", "b"], ["list"]):
        done = subprocess.run(
            [sys.executable, "-m", "aelib", *command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        if command[0] in ("release", "grade"):
            assert done.returncode == 2 and "is for instructors" in done.stderr and done.stderr.count("\n") == 1
        else:
            assert done.returncode == 0, done.stderr
    assert "solutions" not in (tmp_path / "b" / "README.md").read_text(encoding="utf-8")


def test_metadata_that_the_checkout_has_outgrown_are_not_handed_out(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "__version__", "9.9")
    with pytest.raises(UsageError, match="has changed since it was installed"):
        bundle.write_wheel(tmp_path)
    monkeypatch.undo()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(bundle, "repository_file", lambda name: tmp_path / name)
    with pytest.raises(UsageError, match="has changed since it was installed"):
        bundle.write_wheel(tmp_path)


@pytest.mark.parametrize("name", ["course", "course.zip"])
def test_nothing_is_overwritten_and_nothing_is_left_of_an_attempt(tmp_path, name):
    there = tmp_path / name
    there.mkdir()
    (there / "mine").touch()
    with pytest.raises(UsageError, match="nothing is overwritten"):
        bundle.bundle(there)
    assert [path.name for path in tmp_path.rglob("*")] == [name, "mine"]


def test_a_series_whose_notebook_is_missing_is_named(tmp_path, monkeypatch):
    (tmp_path / "series.toml").write_bytes((ROOT / "notebooks" / "series.toml").read_bytes())
    monkeypatch.setenv("AELIB_NOTEBOOKS", str(tmp_path))
    with pytest.raises(UsageError, match=r"cannot read .*01_compression.ipynb"):
        bundle.bundle(tmp_path / "out")
    assert not (tmp_path / "out").exists()
