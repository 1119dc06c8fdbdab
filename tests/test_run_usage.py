"""Mistakes on the command line: one line, exit code 2, and no process started. In this process, for speed."""

import importlib.util
import os
import subprocess
import sys

import pytest
from nbformat.v4 import new_markdown_cell
from throwaway import add_pictures, check, make_series

from aelib import __main__ as command
from aelib import _files as files


@pytest.fixture
def series(tmp_path, monkeypatch):
    folder = make_series(tmp_path / "series", {"one": [check()], "two": [check()]})
    monkeypatch.setenv("AELIB_NOTEBOOKS", str(folder))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return folder


@pytest.fixture
def refused(series, tmp_path, monkeypatch, capsys):
    """Runs the command line, which must refuse; returns its line."""

    def call(*arguments, out=tmp_path / "out"):
        def start(*args, **kwargs):
            raise AssertionError(f"a process was started: {args}")

        monkeypatch.setattr(subprocess, "Popen", start)
        monkeypatch.setattr(sys, "argv", ["aelib", "run", "--out", str(out), *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            command.main()
        said = capsys.readouterr()
        assert (exit_.value.code, said.out, said.err.count("\n")) == (2, "", 1), said.err
        return said.err

    return call


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["sede", 1], "no parameter 'sede' in one, two; allowed are seed, rate, kind, fast"),
        (["seed", "1.5"], "parameter seed must be a whole number at least 0 and at most 100; received '1.5'"),
        (["seed", "True"], "received 'True'"),
        (["seed", "1_0"], "received '1_0'"),
        (["seed", "101"], "received '101'"),
        (["seed", "-1"], "received '-1'"),
        (["seed", ""], "received ''"),
        (["seed", "__import__('os')"], "parameter seed must be a whole number"),
        (["rate", "0"], "parameter rate must be a number above 0 and at most 10; received '0.0'"),
        (["rate", "nan"], "received 'nan'"),
        (["rate", "inf"], "received 'inf'"),
        (["rate", "1e999"], "received 'inf'"),
        (["rate", "fast"], "received 'fast'"),
        (["kind", "even"], "parameter kind must be one of plain, odd; received 'even'"),
        (["fast", "1"], "parameter fast must be true or false; received '1'"),
        (["seed", 1, "-p", "seed", 2], "parameter seed is given 2 times"),
        (["seed=1;import os", 1], "no parameter 'seed=1;import os' in one, two"),
        (["profile", "quick"], "profile is set by --profile"),
    ],
)
def test_a_parameter_is_checked_by_name_type_and_range(refused, given, words):
    assert words in refused("-p", *given)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["three"], "no notebook 'three'; the series has one, two"),
        (["../one"], "'../one' does not exist; the series has one, two"),
        (["../one.ipynb"], "'../one.ipynb' does not exist; the series has one, two"),
        (["--profile", "slow"], "profile must be one of quick, standard, full; received 'slow'"),
        (["--backend", "theano"], "backend must be one of tensorflow, jax, torch; received 'theano'"),
        (["--jobs", "0"], "--jobs"),
        (["--deadline", "0"], "--deadline"),
        (["--deadline", "nan"], "--deadline"),
        (["--deadline", "inf"], "--deadline"),
        (["--unknown"], "--unknown"),
        (["-p", "seed"], "-p"),
    ],
)
def test_an_unknown_choice_is_refused_and_what_is_allowed_is_named(refused, arguments, words):
    assert words in refused(*arguments)


@pytest.mark.parametrize(
    ("missing", "words"), [("jax", "backend jax is not installed"), ("ipykernel", "aelib run needs ipykernel")]
)
def test_what_is_not_installed_is_refused(refused, monkeypatch, missing, words):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    assert words in refused("--backend", "jax" if missing == "jax" else "tensorflow")


@pytest.mark.parametrize("content", ["", "no JSON", "[]", '{"cells": 3, "nbformat": 4}', "<html></html>"])
def test_a_file_that_is_not_a_notebook_is_refused(refused, series, content):
    (series / "two.ipynb").write_text(content, encoding="utf-8")
    assert "two.ipynb is not a notebook" in refused()


def test_a_missing_notebook_is_refused(refused, series):
    (series / "two.ipynb").unlink()
    assert "cannot read" in refused()


def test_parameters_that_the_notebook_does_not_have_are_refused(refused, series):
    path = series / "one.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("rate:", "pace:"), encoding="utf-8")
    assert "one: its `parameters` cell and series.toml differ in pace, rate" in refused()


def test_a_folder_of_pictures_that_cannot_be_used_is_refused(refused, series, tmp_path):
    add_pictures(series, "one")
    (tmp_path / "empty").mkdir()
    for folder, words in (("nowhere", "nowhere"), ("empty", "contains no picture")):
        assert words in refused("one", "-p", "pictures", tmp_path / folder)


def test_an_equation_that_no_page_could_show_is_refused(refused, series):
    cell = new_markdown_cell("$\\undefinedmacro x$")
    make_series(series, {"one": [cell, check()], "two": [check()]})
    assert "one, cell 1: no MathML for \\undefinedmacro" in refused()


def test_an_output_folder_that_cannot_be_written_is_refused(refused, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below", "/proc/nothing"):
        assert "cannot write to the folder" in refused(out=out)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_second_run_into_the_same_folder_is_refused_and_names_the_first(refused, tmp_path):
    with files.output_folder(tmp_path / "out"):
        line = refused()
        assert f"is in use by the run of process {os.getpid()}, started 20" in line
    assert "no notebook" in refused("three")


def test_a_crash_does_not_look_like_a_missed_target(series, monkeypatch, capsys):
    monkeypatch.setattr("aelib.series.runner.plan", lambda *arguments: 1 / 0)
    monkeypatch.setattr(sys, "argv", ["aelib", "run"])
    with pytest.raises(SystemExit) as exit_:
        command.main()
    assert exit_.value.code == 3 and "ZeroDivisionError" in capsys.readouterr().err


def test_help_does_not_wait_for_papermill_nbconvert_or_keras():
    code = (
        "import sys, aelib, aelib.series, aelib.__main__ as m\n"
        "try: m.cli.main(['run', '--help'])\n"
        "except SystemExit: pass\n"
        "print([n for n in ('papermill', 'nbconvert', 'nbformat', 'keras', 'numpy') if n in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "--deadline SECONDS" in said and said.rstrip().endswith("[]")


def test_bad_data_are_refused_before_a_kernel_starts(refused, tmp_path, monkeypatch):
    monkeypatch.delenv("AELIB_NOTEBOOKS")
    monkeypatch.setenv("AELIB_DATA", str(tmp_path))
    (tmp_path / "mnist.npz").write_text("<html>not found</html>")
    assert str(tmp_path / "mnist.npz") in refused("01_compression", "-p", "dataset", "mnist")


def test_a_data_folder_that_is_missing_is_refused_before_a_kernel_starts(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("AELIB_DATA", str(tmp_path / "dta"))
    assert "AELIB_DATA must name an existing folder" in refused() and not (tmp_path / "out").exists()
