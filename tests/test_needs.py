"""What becomes of a test whose need is missing, and which tests are chosen."""

from pathlib import Path

pytest_plugins = ["pytester"]
TESTS = """
import pytest
from needs import missing

def test_here():
    pass

def test_program():
    missing("browser", "none is on the PATH")

def test_again():
    missing("browser", "none is on the PATH")

@pytest.mark.only_on("jax")
def test_jax():
    pass

@pytest.mark.weekly
def test_long():
    pass
"""


def outcomes(pytester, monkeypatch, **environment):
    for name in ("AELIB_REQUIRE", "AELIB_WEEKLY", "KERAS_BACKEND"):
        monkeypatch.setenv(name, environment.get(name, ""))
    folder = Path(__file__).parent
    pytester.makeconftest((folder / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(needs=(folder / "needs.py").read_text(encoding="utf-8"), test_some=TESTS)
    pytester.makeini("[pytest]\nmarkers =\n    only_on: x\n    weekly: x")
    return pytester.runpytest_subprocess("-p", "no:cacheprovider")


def test_a_missing_program_skips_with_one_line_and_other_backends_and_weekly_tests_are_left_out(pytester, monkeypatch):
    result = outcomes(pytester, monkeypatch)
    result.assert_outcomes(passed=1, skipped=2, deselected=2)
    lines = [line for line in result.outlines if "skipped, browser: none is on the PATH; install Chromium" in line]
    assert len(lines) == 1 and lines[0].startswith("2 skipped")


def test_what_ci_requires_fails_instead(pytester, monkeypatch):
    both = outcomes(pytester, monkeypatch, AELIB_REQUIRE="bubblewrap, browser")
    both.assert_outcomes(passed=1, failed=2, deselected=2)
    other = outcomes(pytester, monkeypatch, AELIB_REQUIRE="bubblewrap")
    other.assert_outcomes(passed=1, skipped=2, deselected=2)
    unknown = outcomes(pytester, monkeypatch, AELIB_REQUIRE="brwser")
    unknown.assert_outcomes(passed=1, failed=2, deselected=2)


def test_the_backend_and_the_week_choose(pytester, monkeypatch):
    chosen = outcomes(pytester, monkeypatch, KERAS_BACKEND="jax", AELIB_WEEKLY="1")
    chosen.assert_outcomes(passed=3, skipped=2, deselected=0)
