"""The weekly test of the ends of the ranges finds what does not finish, and what is not finite."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from throwaway import check, make_series

from aelib.series.parameters import Parameter
from aelib.series.spec import load_series

SCRIPT = Path(__file__).parent / "ends_of_range.py"
ends = runpy.run_path(str(SCRIPT))


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        (Parameter("a", "int", 5, min=1, max=9), [1, 9]),
        (Parameter("a", "int", 5, min=1), [1]),
        (Parameter("a", "int", 5, min=1, max=9, costly=True), [1]),
        (Parameter("a", "float", 0.5, above=0, max=2), [1e-6, 2]),
        (Parameter("a", "bool", False), [False, True]),
        (Parameter("a", "bool", False, costly=True), [False]),
        (Parameter("a", "str", "x", choices=("x", "y")), ["x", "y"]),
        (Parameter("a", "str", ""), []),
    ],
)
def test_the_ends_of_a_range(parameter, values):
    assert ends["ends"](parameter, "folder") == values
    for value in values:
        assert parameter.check(value) == value


def test_every_parameter_of_the_series_is_tried_at_an_end_or_equal_to_it_in_the_quick_profile():
    for notebook in load_series().values():
        tried = {name for name, _ in ends["runs"](notebook, "folder")}
        for name, parameter in notebook.parameters.items():
            values = ends["ends"](parameter, "folder")
            assert name in tried or set(values) <= {notebook.profiles["quick"].values[name]}, name
        for name, text in ends["runs"](notebook, "folder"):
            assert notebook.values("quick", [(name, text)])[name] != notebook.values("quick")[name]


def test_a_run_that_breaks_or_is_not_finite_is_wrong_and_one_that_misses_is_not(tmp_path, monkeypatch):
    last = check("0.9 if kind == 'odd' else 0.5").replace('"seed": seed', '"other": float("nan") if seed == 100 else 1')
    series = make_series(tmp_path / "series", {"one": ["if rate > 9:\n    raise ValueError('too fast')", last]})
    monkeypatch.setenv("AELIB_NOTEBOOKS", str(series))
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True)
    *lines, count = done.stdout.splitlines()
    found = {match[2]: (match[1], match[3]) for line in lines if (match := re.match(r"(.*?): -p (.*?): (.*)", line))}
    assert (done.returncode, count, len(found)) == (1, "2 wrong", 6), done.stdout + done.stderr
    assert found["seed 0"][0] == found["rate 1e-06"][0] == found["fast true"][0] == "ok"
    assert found["seed 100"][0] == "WRONG: not finite: other"
    assert found["rate 10"][0] == "WRONG: did not finish" and "too fast" in found["rate 10"][1]
    assert found["kind odd"][0] == "ok" and "missed" in found["kind odd"][1]
