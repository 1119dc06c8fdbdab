"""The cell that installs aelib, with which every notebook begins: which wheel it takes."""

import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = [path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
CELL = nbformat.read(ROOT / "notebooks" / "01_compression.ipynb", 4).cells[1]
WHEEL = "aelib-0.3.0-py3-none-any.whl"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_it_is_the_same_in_every_notebook_behind_the_title(path):
    cells = nbformat.read(path, 4).cells
    assert cells[0].cell_type == "markdown" and cells[1] == CELL, "copy the cell from notebooks/01_compression.ipynb"
    assert [cell.id for cell in cells].count(CELL.id) == 1


def test_it_names_the_repository_of_pyproject():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert f'repository = "{urls["Repository"]}"\n' in CELL.source


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """What the cell asks pip to install, in a folder below `tmp_path`, where aelib and some backends are missing."""
    (tmp_path / "solutions").mkdir()
    monkeypatch.chdir(tmp_path / "solutions")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)

    def call(*missing, code=0):
        commands = []

        def run(command):
            commands.append(command)
            return subprocess.CompletedProcess(command, code)

        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in missing else find_spec(name))
        monkeypatch.setattr(subprocess, "run", run)
        exec(CELL.source, {})
        assert all(one[:-1] == [sys.executable, "-m", "pip", "install", "--quiet"] for one in commands)
        return [one[-1] for one in commands]

    return call


def test_it_does_nothing_where_aelib_is_installed(asked):
    assert asked("tensorflow", "jax") == []


def test_it_takes_the_wheel_beside_the_notebook_or_above_it_or_the_repository(asked, tmp_path):
    (source,) = asked("aelib", "tensorflow", "jax", "torch")
    assert source.startswith("aelib[tensorflow] @ https://") and source.endswith("/archive/HEAD.zip")
    for folder in (tmp_path, tmp_path / "solutions"):
        (folder / WHEEL).touch()
        assert asked("aelib", "tensorflow", "jax", "torch") == [f"{folder / WHEEL}[tensorflow]"]


def test_it_adds_the_backend_that_is_asked_for_where_that_is_missing(asked, tmp_path, monkeypatch):
    (tmp_path / WHEEL).touch()
    assert asked("aelib", "jax", "torch") == [str(tmp_path / WHEEL)]
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert asked("aelib", "jax") == [f"{tmp_path / WHEEL}[jax]"]
    monkeypatch.setenv("KERAS_BACKEND", "json")  # stands for a backend that is installed
    assert asked("aelib") == [str(tmp_path / WHEEL)]


def test_a_failed_installation_is_told_in_a_line(asked):
    with pytest.raises(ModuleNotFoundError, match=r"could not install aelib.*put the wheel of aelib beside"):
        asked("aelib", code=1)
