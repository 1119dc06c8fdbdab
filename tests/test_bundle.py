"""aelib.bundle: the notebooks, the students' wheel, and a README that says how to install it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from throwaway import make_series

import aelib
from aelib import bundle
from aelib.series.spec import UsageError

ROOT = Path(__file__).parents[1]
NOTEBOOKS = [path for path in (ROOT / "notebooks").rglob("*.ipynb") if path.parent.name in ("notebooks", "further")]
FILES = [path.relative_to(ROOT / "notebooks").as_posix() for path in NOTEBOOKS]


@pytest.fixture(scope="module")
def handout(tmp_path_factory):
    return bundle.bundle(tmp_path_factory.mktemp("bundle") / "course")


def test_a_bundle_holds_the_notebooks_their_solutions_and_how_to_install_them(handout):
    (wheel,) = handout.glob("*.whl")
    content = {path.relative_to(handout).as_posix() for path in handout.rglob("*") if path.is_file()}
    solutions = [f"solutions/{path.name}" for path in NOTEBOOKS]
    assert content == {wheel.name, "README.md", "constraints.txt", *FILES, *solutions}
    text = (handout / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in FILES) and wheel.name in text and "solutions/" in text
    assert text.count(f'-c constraints.txt --find-links . "aelib[tensorflow,lab]=={aelib.__version__}"') == 2


def test_the_students_wheel_holds_the_library_its_license_and_nothing_for_instructors(handout):
    (wheel,) = handout.glob("*.whl")
    info = f"aelib-{aelib.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        content, programs = set(archive.namelist()), archive.read(f"{info}/entry_points.txt")
    assert b"aelib = aelib.__main__:main" in programs
    library = {path.relative_to(ROOT).as_posix() for path in (ROOT / "aelib").rglob("*") if path.is_file()}
    library = {name for name in library if "__pycache__" not in name}
    for_students = {"aelib/classroom/__init__.py", "aelib/classroom/expect.py"}
    in_info = {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    repository_files = ["constraints.txt", "data/README.md", "data/mnist_5k.npz", "notebooks/series.toml"]
    repository_files += [f"notebooks/{name}" for name in FILES]
    expected = {name for name in library if not name.startswith("aelib/classroom/")} | for_students | in_info
    assert content == expected | {f"aelib/_repository/{name}" for name in repository_files}


def test_a_further_notebook_is_handed_out_in_its_folder(tmp_path, monkeypatch):
    series = make_series(tmp_path / "series", {"one": [], "further/more": []})
    (series / "solutions").mkdir()
    for name in ("one", "more"):
        (series / "solutions" / f"{name}.ipynb").write_text("{}")
    monkeypatch.setenv("AELIB_NOTEBOOKS", str(series))
    out = bundle.bundle(tmp_path / "out")
    found = {path.relative_to(out).as_posix() for path in out.rglob("*.ipynb")}
    assert found == {"one.ipynb", "further/more.ipynb", "solutions/one.ipynb", "solutions/more.ipynb"}
    assert "`further/more.ipynb`" in (out / "README.md").read_text(encoding="utf-8")
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "aelib/_repository/notebooks/further/more.ipynb" in archive.namelist()


def test_stray_files_of_the_checkout_are_not_handed_out(tmp_path, monkeypatch):
    (tmp_path / "aelib" / ".ipynb_checkpoints").mkdir(parents=True)
    for name in ("__init__.py", "grades.csv", ".ipynb_checkpoints/a.py", "a.pyc"):
        (tmp_path / "aelib" / name).touch()
    monkeypatch.setattr(bundle, "PACKAGE", tmp_path / "aelib")
    with zipfile.ZipFile(bundle.write_wheel(tmp_path)) as archive:
        content = [name for name in archive.namelist() if not name.startswith(("aelib/_repository", "aelib-"))]
    assert content == ["aelib/__init__.py"]


def test_commands_for_instructors_are_refused_in_a_students_copy(handout, tmp_path):
    (wheel,) = handout.glob("*.whl")
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


def test_metadata_older_than_the_checkout_are_not_handed_out(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "__version__", "9.9")
    with pytest.raises(UsageError, match="has changed since it was installed"):
        bundle.write_wheel(tmp_path)
    monkeypatch.undo()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(bundle, "repository_file", lambda name: tmp_path / name)
    with pytest.raises(UsageError, match="has changed since it was installed"):
        bundle.write_wheel(tmp_path)


@pytest.mark.parametrize("name", ["course", "course.zip"])
def test_nothing_is_overwritten_and_a_failed_attempt_leaves_nothing(tmp_path, name):
    existing = tmp_path / name
    existing.mkdir()
    (existing / "mine").touch()
    with pytest.raises(UsageError, match="nothing is overwritten"):
        bundle.bundle(existing)
    assert [path.name for path in tmp_path.rglob("*")] == [name, "mine"]


def test_a_series_whose_notebook_is_missing_is_named(tmp_path, monkeypatch):
    (tmp_path / "series.toml").write_bytes((ROOT / "notebooks" / "series.toml").read_bytes())
    monkeypatch.setenv("AELIB_NOTEBOOKS", str(tmp_path))
    with pytest.raises(UsageError, match=r"cannot read .*01_compression.ipynb"):
        bundle.bundle(tmp_path / "out")
    assert not (tmp_path / "out").exists()
