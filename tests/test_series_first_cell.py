"""The cell that installs aelib: which wheel it takes, and that it is written once into a notebook."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from aelib.series.first_cell import CELL_ID, first_cell, with_first_cell

NOTEBOOK = {"cells": [{"id": "title", "source": ["# A"]}, {"id": "parameters", "source": ["seed = 0"]}], "nbformat": 4}
WHEEL = "aelib-0.2.0-py3-none-any.whl"


def test_it_stands_behind_the_title_once():
    once = with_first_cell(NOTEBOOK)
    assert [cell["id"] for cell in once["cells"]] == ["title", CELL_ID, "parameters"] and once["nbformat"] == 4
    older = {**once, "cells": [once["cells"][0], {"id": CELL_ID, "source": ["old"]}, once["cells"][2]]}
    assert with_first_cell(older) == with_first_cell(once) == once


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
        exec("".join(first_cell()["source"]), {})
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
