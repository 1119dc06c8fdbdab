"""What the benchmarks compute from what they measure; the measuring itself is `make bench`, never a test."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
from throwaway import make_series

from aelib.series.spec import Target, load_series

BENCHMARKS = Path(__file__).parent / "benchmarks"
MEASURED = ("time_to_error", "epoch", "growth", "classical", "series", "disk", "matrix")


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module
    for name in ("bench", "docs_tables", *MEASURED):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("op", "bound", "values", "margin", "tight"),
    [
        ("<=", 10.0, [4.0, 5.0, 6.0], 5.0, False),
        ("<=", 8.0, [4.0, 5.0, 6.0], 3.0, True),  # the worst, 6, and two deviations of 1
        ("<=", 8.01, [4.0, 5.0, 6.0], 3.01, False),
        ("<=", 6.5, [4.0, 5.0, 6.0], 1.5, True),
        (">=", 0.5, [0.7, 0.8, 0.9], 3.0, True),
        (">=", 0.4, [0.7, 0.8, 0.9], 4.0, False),
        ("<=", 0.0, [0.0, 0.0], np.inf, True),
        ("<=", 2.0, [0.0, 0.0], np.inf, False),
        ("<=", 0.0, [1.0, 1.0], -np.inf, True),
    ],
)
def test_a_bound_is_judged_by_its_margin_and_its_tightness(load, op, bound, values, margin, tight):
    found = load("matrix").judged(Target("metric", op, bound), pandas.Series(values))
    assert found[0] == pytest.approx(np.mean(values))
    assert found[2] == (max(values) if op == "<=" else min(values))
    assert found[3] == pytest.approx(margin)
    assert found[4] == tight


def test_the_matrix_takes_every_notebook_in_both_profiles_or_a_part(load, tmp_path):
    matrix = load("matrix")
    series = load_series(make_series(tmp_path / "series", {"01_one": [], "further/more": []}))
    whole = [(name, profile) for profile in ("quick", "standard") for name in ("01_one", "more")]
    assert matrix.chosen_parts(series, [], None) == whole
    assert matrix.chosen_parts(series, ["more"], None) == [("more", "quick"), ("more", "standard")]
    assert matrix.chosen_parts(series, [], ["standard"]) == [("01_one", "standard"), ("more", "standard")]
    assert matrix.chosen_parts(series, ["01"], ["quick"]) == [("01_one", "quick")]


def test_tables_go_between_their_marks_and_nothing_else_changes(load, tmp_path, monkeypatch):
    docs_tables = load("docs_tables")
    monkeypatch.setattr(docs_tables, "OUT", tmp_path)
    (tmp_path / "epoch.md").write_text("| new |\n")
    text = "a\n<!-- bench: epoch -->\n| old |\n<!-- end -->\nb\n<!-- bench: disk -->\n| kept |\n<!-- end -->\n"
    assert docs_tables.filled(text) == text.replace("old", "new")
    assert docs_tables.filled(docs_tables.filled(text)) == docs_tables.filled(text)


def test_every_benchmark_has_its_place_in_the_docs(load):
    for name in MEASURED:
        load(name)
    pages = [(BENCHMARKS.parents[1] / name).read_text(encoding="utf-8") for name in load("docs_tables").PAGES]
    marks = re.findall(r"<!-- bench: (\w+) -->", "".join(pages))
    assert sorted(marks) == sorted(MEASURED)


def test_moved_batches_hold_every_image_once_and_move_by_a_pixel_at_most(load):
    images = np.zeros((60, 28, 28, 1), "float32")
    images[np.arange(60), 10, 10, 0] = np.arange(1, 61)
    batches = load("classical").shifted(images, 5, 0)
    values, moves = [], []
    for index in range(len(batches)):
        inputs, targets = batches[index]
        assert inputs is targets
        found = np.argwhere(inputs[..., 0] > 0)
        assert len(found) == 5 and (found[:, 1:] == found[0, 1:]).all()
        moves.append(found[0, 1:] - 10)
        values += inputs.max(axis=(1, 2, 3)).tolist()
    assert sorted(values) == list(range(1, 61))
    assert np.abs(moves).max() == 1
    assert any((move == 0).all() for move in moves)
