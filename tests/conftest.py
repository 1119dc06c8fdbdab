"""The selection of tests, the summary of skipped ones, and shared fixtures."""

import os
import signal
from collections import Counter

import pytest


@pytest.fixture
def set_dtype_policy():
    """Return a function that sets Keras's dtype policy for one test."""
    import keras

    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.fixture
def passed_on(monkeypatch):
    """Return the list [inputs, targets, *validation_data] that Keras's `fit`, replaced here, was called with."""
    import keras

    seen = []

    def record(self, x, y=None, validation_data=None, **kwargs):
        seen[:] = [x, y, *(validation_data or ())]
        return keras.callbacks.History()

    monkeypatch.setattr(keras.Model, "fit", record)
    return seen


def pytest_configure():
    """Let the processes of the tests heed Ctrl-C: a shell starts what it runs in the background with it ignored."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config, items):
    """Leave out the tests of other backends, and the weekly ones unless AELIB_WEEKLY is set."""
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    chosen, others = [], []
    for item in items:
        only = item.get_closest_marker("only_on")
        weekly = item.get_closest_marker("weekly") and not os.environ.get("AELIB_WEEKLY")
        (others if weekly or (only and backend not in only.args) else chosen).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = chosen


def pytest_terminal_summary(terminalreporter):
    """Write one line per reason: how many tests were skipped, and how to get what they need (tests/needs.py)."""
    reasons = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", []))
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count} skipped, {reason.removeprefix('Skipped: ')}")
