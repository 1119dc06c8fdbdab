"""The verdict on a recorded execution: nothing that a notebook says of itself makes a failure a pass."""

import pytest
from throwaway import check, make_series

from aelib.series import document
from aelib.series.outcome import ExecutionRecord, Plan, outcome_of
from aelib.series.spec import load_series

RUN = "this-run"


@pytest.fixture
def notebook(tmp_path):
    return load_series(make_series(tmp_path / "series", {"one": [check()]}))["one"]


def record(**changes):
    return {
        "run_id": RUN,
        "notebook": "one",
        "profile": "standard",
        "metrics": {"error": 0.5, "trivial": 0.9},
    } | changes


def trace(*records, cells=(0, 1), status="ok", end=None, **seen):
    """An execution of the cells 0 and 1 in which cell 1 emitted the records."""
    replies = [{"cell": cell, "status": "ok", "ename": None, "evalue": None, "records": []} for cell in cells]
    replies[-1] |= {"status": status, "ename": "ValueError", "evalue": "bad\nnews", "records": list(records)}
    return ExecutionRecord(replies=replies, started=cells[-1], end=end or {"ename": None, "evalue": ""}, **seen)


def verdict(notebook, trace):
    return outcome_of(Plan(notebook, document.read(notebook.path), {"profile": "standard"}), RUN, trace, 5)


def test_a_fresh_finite_metric_on_the_right_side_passes(notebook):
    outcome = verdict(notebook, trace(record()))
    assert (outcome.status, outcome.cause, outcome.metrics) == ("passed", None, {"error": 0.5, "trivial": 0.9})


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], "no metrics of this run"),
        ([record(run_id="another")], "of another run"),
        ([record(run_id=None)], "of another run"),
        ([record(notebook="two")], "of another run or notebook"),
        ([record(profile="quick")], "'quick', not 'standard'"),
        ([record(), record()], "2 times"),
        ([record(metrics=None)], "cannot be read"),
        ([record(metrics={"error": "0.5"})], "error is '0.5', not a number"),
        ([record(metrics={"error": True})], "not a number"),
        ([record(metrics={"other": 0.5})], "error is missing"),
        ([record(metrics={"error": "nan"})], "error is nan"),
        ([record(metrics={"error": 0.5})], "error = 0.5 has no finite baseline"),
        (["text"], "no metrics of this run"),
    ],
)
def test_metrics_that_prove_nothing_fail(notebook, records, words):
    outcome = verdict(notebook, trace(*records))
    assert outcome.status == "failed" and words in outcome.cause
    assert not outcome.targets[0].reached


def test_a_target_is_judged_by_its_value_alone(notebook):
    outcome = verdict(notebook, trace(record(metrics={"error": 0.7, "trivial": 0.9}, reached=True, status="passed")))
    assert (outcome.status, outcome.exit_code) == ("missed", 1)
    assert outcome.cause == "error = 0.7 missed its target <= 0.6 by 0.1"


@pytest.mark.parametrize(
    ("seen", "status", "words"),
    [
        (trace(record(), cells=(1, 0)), "failed", "in the order [1, 0], not [0, 1]"),
        (trace(record(), cells=(0, 0, 1)), "failed", "in the order"),
        (trace(record(), cells=(1,)), "failed", "cell 0 was not executed"),
        (trace(record(), status="error"), "failed", "cell 1 raised ValueError: bad"),
        (trace(record(), status="aborted"), "failed", "cell 1"),
        (trace(record(), end={"ename": "DeadKernelError", "evalue": "x"}), "failed", "the kernel died"),
        (trace(record(), end={"ename": "OSError", "evalue": "disk full\n"}), "failed", "OSError in"),
        (trace(record(), cells=(0,), stopped="deadline"), "timeout", "the deadline of 5 s"),
        (trace(record(), cells=(0,), stopped="SIGINT"), "interrupted", "SIGINT"),
        (ExecutionRecord(log="out of words"), "failed", "worker process died in no cell; its last words: out of words"),
    ],
)
def test_an_execution_that_is_not_whole_fails_whatever_its_metrics(notebook, seen, status, words):
    outcome = verdict(notebook, seen)
    assert outcome.status == status and words in outcome.cause
    assert outcome.exit_code == 3


def test_the_cause_of_an_error_inside_a_keras_layer_is_what_the_layer_said(notebook):
    seen = trace(record(), status="error")
    said = "Exception encountered when calling S.call().\n\n\x1b[1mcodes must lie in [0, 1]; received -2\x1b[0m\n\nm"
    seen.replies[-1]["evalue"] = said
    cause = "ValueError: Exception encountered when calling S.call(). codes must lie in [0, 1]; received -2"
    assert verdict(notebook, seen).cause.endswith(cause)


def test_a_notebook_that_ended_well_just_before_the_deadline_passes(notebook):
    assert verdict(notebook, trace(record(), stopped="deadline")).status == "passed"
