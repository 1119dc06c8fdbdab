"""What a report is made of: equations, charts, the history of a folder, the lecture's map, machine-readable results."""

import json
import re

import jsonschema
import pytest
from throwaway import check, make_series, run

from aelib.series import charts, equations, report, results
from aelib.series.spec import SpecError, Target, UsageError, load_series
from aelib.series.verdict import judge

ERROR = Target("error", "<=", 0.6, "trivial")


@pytest.mark.parametrize("tex", [r"\undefined", r"a \\ \foo b"])
def test_an_equation_without_mathml_is_an_error(tex):
    with pytest.raises(equations.MathError):
        equations.mathml(tex, "inline")


def test_equal_headings_get_different_names():
    headings = []
    renderer = equations.TextRenderer(headings=headings)
    for text in ("One two", "One <em>two</em>", "!", "?"):
        renderer.heading(text, 2)
    assert [name for _, name, _ in headings] == [
        "section-one-two",
        "section-one-two-2",
        "section-untitled",
        "section-untitled-2",
    ]


@pytest.mark.parametrize(("value", "missed"), [(0.5, False), (0.75, True), (float("nan"), None), (None, None)])
def test_a_chart_says_and_draws_what_was_measured(value, missed):
    (judged,) = judge({"error": value, "trivial": 0.9} if value is not None else {"trivial": 0.9}, [ERROR])
    drawn = charts.target_chart(judged)
    places = {name: float(x) for name, x in re.findall(r'class="(base|bound)" d="M([\d.]+)', drawn)}
    dot = re.search(r'class="value( missed)?" cx="([\d.]+)"', drawn)
    assert str(judged).replace("<", "&lt;") in drawn
    assert places["bound"] < places["base"] + 5
    if missed is None:
        assert dot is None
    else:
        assert bool(dot[1]) is missed and (float(dot[2]) > places["bound"]) is missed


def test_a_chart_of_a_value_that_does_not_beat_its_baseline_is_drawn_and_said_to_miss():
    (judged,) = judge({"error": 0.5, "trivial": 0.25}, [ERROR])
    drawn = charts.target_chart(judged)
    assert 'class="value missed"' in drawn and drawn.count("baseline 0.25") == 1
    (judged,) = judge({"error": 0.5}, [ERROR])
    drawn = charts.target_chart(judged)
    assert "no finite baseline" in drawn and 'class="base"' not in drawn and 'class="value missed"' in drawn


def test_a_chart_of_numbers_far_apart_is_logarithmic():
    (judged,) = judge({"error": 1e-6, "trivial": 1.0}, [Target("error", "<=", 1e-3, "trivial")])
    drawn = charts.target_chart(judged)
    bound = float(re.search(r'"bound" d="M([\d.]+)', drawn)[1])
    assert bound == pytest.approx(charts.WIDTH / 2, abs=1)


def test_a_history_needs_two_runs_and_says_its_range():
    assert charts.history_chart("error", [0.5], 0.6) == ""
    drawn = charts.history_chart("error", [0.5, 0.4, 0.45], 0.6)
    assert "from 0.5 to 0.45, lowest 0.4, highest 0.5" in drawn and drawn.count(",") > 3


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """One folder, four runs: the second of another rate, the third of one notebook of two, the last as the first."""
    folder = tmp_path_factory.mktemp("history")
    series = make_series(folder / "series", {"one": [check()], "two": [check()]})
    table = (series / "series.toml").read_text(encoding="utf-8")
    entry = '[[one.lecture]]\ntext = "A statement"\ncells = ["x"]\nmetrics = ["error", "unknown"]\n'
    (series / "series.toml").write_text(table + entry, encoding="utf-8")
    (folder / "out" / "solutions").mkdir(parents=True)
    (folder / "out" / "solutions" / "one.html").touch()
    given = ([], ["-p", "rate", "0.55"], ["one"], [])
    return [run(series, folder / "out", *arguments) for arguments in given]


def test_the_folder_remembers_every_run(twice):
    assert [finished.code for finished in twice] == [0, 0, 0, 0]
    runs = results.read_history(twice[-1].out)
    assert [len(run["notebooks"]) for run in runs] == [2, 2, 1, 2]
    assert report.comparable_values(runs, "one", "error") == [0.5, 0.5, 0.5]
    assert report.comparable_values(runs, "two", "error") == [0.5, 0.5]
    assert [one["metrics"]["error"] for _, one in report.runs_of(runs, "one")] == [0.5, 0.55, 0.5, 0.5]
    assert twice[-1].page("index").count("3 earlier runs") == 1


def test_the_index_shows_the_lecture_with_the_numbers_of_this_run(twice):
    page = twice[-1].page("index")
    assert '<a href="one.html#x">x</a>' in page and "error&nbsp;=&nbsp;0.5, unknown" in page


def test_the_index_links_to_worked_solutions_that_are_beside_it(twice):
    page = twice[-1].page("index")
    assert page.count("worked solutions") == 1 and '<a href="solutions/one.html">worked solutions</a>' in page


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"schema": "aelib.history/1", "runs": [{}]}', '{"schema": "x"}'])
def test_a_history_that_cannot_be_read_is_refused_and_kept(twice, tmp_path, content):
    (tmp_path / results.HISTORY).write_text(content)
    with pytest.raises(UsageError, match=r"is not a history of runs; move it away, or choose another --out"):
        results.read_history(tmp_path)
    assert (tmp_path / results.HISTORY).read_text() == content


def test_a_folder_without_runs_has_no_history(tmp_path):
    assert results.read_history(tmp_path) == []


def test_a_long_history_loses_its_oldest_runs():
    runs = [{"run_id": str(index)} for index in range(results.MAX_HISTORY_RUNS + 5)]
    kept = json.loads(results.history_json(runs))["runs"]
    assert len(kept) == results.MAX_HISTORY_RUNS and kept[0] == {"run_id": "5"}


@pytest.mark.parametrize(
    "entry", ['text = "a"\nmetrics = ["m"]', 'cells = ["c"]\nshown = "b"', 'text = "a"\nother = 1']
)
def test_a_lecture_map_that_is_not_one_is_refused(tmp_path, entry):
    folder = make_series(tmp_path / "series", {"one": [check()]})
    table = (folder / "series.toml").read_text(encoding="utf-8")
    (folder / "series.toml").write_text(f"{table}[[one.lecture]]\n{entry}\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"one\.lecture\[0\]"):
        load_series(folder)


def test_the_schema_refuses_what_a_run_must_not_say(twice):
    # Every run of the tests is held against the schema, in throwaway.Finished.
    good = twice[-1].results
    assert good["schema"] == results.SCHEMA
    for change in (
        lambda one: one.update(status="completed"),
        lambda one: one.update(cause="none"),
        lambda one: one.update(cell=-1),
        lambda one: one["metrics"].update(error="nan"),
        lambda one: one["targets"][0].update(reached=False),
        lambda one: one.pop("parameters"),
        lambda one: one.update(more=1),
    ):
        bad = json.loads(json.dumps(good))
        change(bad["notebooks"][0])
        with pytest.raises(jsonschema.ValidationError):
            twice[-1].validate(bad)
