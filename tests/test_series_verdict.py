"""The last cell of a notebook: what it shows, hands over and refuses."""

import re

import numpy as np
import papermill
import pytest
from throwaway import check as check_cell
from throwaway import make_series

from aelib.series import TargetMissed, check
from aelib.series.spec import Target
from aelib.series.verdict import METRICS_MIME, judge, status_of


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """What `check` displays, with a series of one notebook and no run around it."""
    monkeypatch.setenv("AELIB_NOTEBOOKS", str(make_series(tmp_path / "series", {"one": [check_cell()]})))
    monkeypatch.delenv("AELIB_RUN_ID", raising=False)
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    return shown


def test_a_reached_target_is_shown_beside_its_baseline(shown):
    check("one", {"error": np.float32(0.5), "trivial": 0.9, "other": 3})
    row = re.search("^error .*$", shown[0]["text/plain"], re.MULTILINE)[0].split()
    assert row == ["error", "0.5", "≤", "0.6", "0.9", "yes"]
    assert '<th scope="row">error</th><td>0.5</td>' in shown[0]["text/html"]
    assert shown[0][METRICS_MIME]["metrics"] == {"error": 0.5, "trivial": 0.9, "other": 3.0}


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"error": 0.75, "trivial": 0.9}, "error = 0.75 missed its target <= 0.6 by 0.15"),
        (
            {"error": 0.5, "trivial": 0.25},
            "error = 0.5 reached its target <= 0.6 by 0.1 but is not below its baseline 0.25",
        ),
        (
            {"error": 0.5, "trivial": 0.5},
            "error = 0.5 reached its target <= 0.6 by 0.1 but is not below its baseline 0.5",
        ),
        (
            {"error": 0.75, "trivial": 0.7},
            "error = 0.75 missed its target <= 0.6 by 0.15 and is not below its baseline 0.7",
        ),
        ({"error": 0.5}, "error = 0.5 has no finite baseline to beat; the target is <= 0.6"),
        ({"error": 0.5, "trivial": float("inf")}, "error = 0.5 has no finite baseline to beat; the target is <= 0.6"),
        ({}, "error is missing; the target is <= 0.6"),
        ({"error": float("nan")}, "error is nan; the target is <= 0.6"),
        ({"error": np.float64("-inf")}, "error is -inf; the target is <= 0.6"),
    ],
)
def test_by_hand_a_missed_target_raises_after_it_was_shown(shown, metrics, message):
    with pytest.raises(TargetMissed) as error:
        check("one", metrics)
    assert str(error.value) == message
    assert " NO" in shown[0]["text/plain"]


def test_in_a_run_a_missed_target_is_handed_over_and_does_not_raise(shown, monkeypatch):
    monkeypatch.setenv("AELIB_RUN_ID", "r1")
    check("one", {"error": float("nan"), "trivial": 1}, profile="quick")
    record = {
        "run_id": "r1",
        "notebook": "one",
        "profile": "quick",
        "metrics": {"error": "nan", "trivial": 1.0},
    }
    assert shown[0][METRICS_MIME] == record


def test_a_profile_has_its_own_target(shown):
    check("one", {"error": 0.65, "trivial": 0.9}, profile="quick")
    with pytest.raises(TargetMissed):
        check("one", {"error": 0.65, "trivial": 0.9}, profile="standard")


def measured(op, value, bound, baseline):
    (verdict,) = judge({"error": value, "other": baseline}, [Target("error", op, bound, "other")])
    (with_number,) = judge({"error": value}, [Target("error", op, bound, baseline)])
    assert str(verdict) == str(with_number) and verdict.row == with_number.row
    return verdict


def test_a_target_is_reached_only_by_a_value_that_is_strictly_better_than_its_baseline():
    for op, sign in (("<=", 1), (">=", -1)):
        assert measured(op, 0.5 * sign, 0.6 * sign, 0.9 * sign).reached
        assert measured(op, 0.5 * sign, 0.5 * sign, 0.9 * sign).reached
        for value, baseline in ((0.5, 0.5), (0.5, 0.4), (0.7, 0.9)):
            verdict = measured(op, value * sign, 0.6 * sign, baseline * sign)
            assert verdict.measured and not verdict.reached and verdict.row[-1] == "NO"
    assert "not above its baseline 0.9" in str(measured(">=", 0.9, 0.8, 0.9))


@pytest.mark.parametrize("metrics", [{"error": 0.5}, {"error": 0.5, "other": float("nan")}])
def test_a_target_without_a_finite_baseline_was_not_measured(metrics):
    verdicts = judge(metrics, [Target("error", "<=", 0.6, "other")])
    assert not verdicts[0].measured and not verdicts[0].reached
    assert status_of(verdicts) == ("failed", "error = 0.5 has no finite baseline to beat; the target is <= 0.6")


def test_unknown_names_and_values_that_are_no_numbers_are_refused(shown):
    with pytest.raises(ValueError, match="notebook must be one of one; received 'two'"):
        check("two", {})
    with pytest.raises(ValueError, match="profile must be one of quick, standard, full; received 'slow'"):
        check("one", {}, profile="slow")
    for value in ("0.5", None, True, 1j, np.ones(1), np.True_):
        with pytest.raises(TypeError, match="metric error must be a real number"):
            check("one", {"error": value})
    assert not shown


def test_plain_papermill_fails_on_a_missed_target_and_not_on_a_reached_one(tmp_path, monkeypatch):
    series = make_series(tmp_path / "series", {"one": [check_cell()]})
    monkeypatch.setenv("AELIB_NOTEBOOKS", str(series))
    monkeypatch.delenv("AELIB_RUN_ID", raising=False)
    arguments = {"progress_bar": False, "kernel_name": "python3", "language": "python"}
    papermill.execute_notebook(series / "one.ipynb", None, **arguments)
    with pytest.raises(papermill.PapermillExecutionError, match=r"error = 0\.75 missed its target <= 0\.6 by 0\.15"):
        papermill.execute_notebook(series / "one.ipynb", None, parameters={"rate": 0.75}, **arguments)
