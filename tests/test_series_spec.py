"""series.toml: the real one agrees with its notebooks, and a wrong one is refused by its entry."""

import ast
import re

import pytest
from throwaway import TABLE, check, make_series

from aelib.series import check_parameters, document, parameters, runner
from aelib.series.parameters import Parameter
from aelib.series.spec import SpecError, UsageError, load_series, series_folder


@pytest.fixture(autouse=True)
def _the_checkouts_own_series(monkeypatch):
    monkeypatch.delenv("AELIB_NOTEBOOKS", raising=False)


@pytest.mark.parametrize("name", load_series(series_folder()))
def test_the_standard_profile_is_the_notebooks_own_defaults(name):
    notebook = load_series()[name]
    (cell,) = [cell for cell in document.read(notebook.path).cells if "parameters" in cell.metadata.get("tags", [])]
    values = [(statement.target.id, ast.literal_eval(statement.value)) for statement in ast.parse(cell.source).body]
    defaults = dict(values)
    standard = notebook.values("standard")
    assert defaults == standard
    assert {key: type(value) for key, value in defaults.items()} == {
        key: type(value) for key, value in standard.items()
    }


@pytest.mark.parametrize("name", load_series(series_folder()))
def test_a_statement_of_the_lecture_names_cells_and_what_they_show(name):
    notebook = load_series()[name]
    assert notebook.lecture
    for entry in notebook.lecture:
        assert entry["text"] and isinstance(entry["text"], str) and isinstance(entry["shown"], str)
        assert entry["cells"] and all(isinstance(cell, str) for cell in entry["cells"])
        assert isinstance(entry["cells"], list) and isinstance(entry["metrics"], list)
        assert entry["notebook"] == name and bool(entry["metrics"]) != bool(entry["shown"])


def test_every_notebook_in_the_folder_is_in_the_series():
    found = {path for folder in (".", "further") for path in (series_folder() / folder).glob("*.ipynb")}
    assert found == {notebook.path for notebook in load_series().values()}
    assert all(
        notebook.path.parent == series_folder() / ("further" * notebook.further) for notebook in load_series().values()
    )


def test_profiles_inherit_values_and_targets(tmp_path):
    (tmp_path / "series.toml").write_text(TABLE.format(name="one"))
    notebook = load_series(tmp_path)["one"]
    assert notebook.values("standard") == {
        "profile": "standard",
        "seed": 0,
        "rate": 0.5,
        "kind": "plain",
        "fast": False,
    }
    assert notebook.values("quick", [("rate", "2")])["rate"] == 2.0
    assert notebook.values("quick", [("seed", "3")])["seed"] == 3 and notebook.values("quick")["seed"] == 7
    assert [notebook.profiles[name].targets[0].bound for name in ("quick", "standard", "full")] == [
        0.7,
        0.6,
        0.6,
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("default = 0,", "default = 101,"), "the default is not allowed: parameter seed must be"),
        (("default = 0,", "default = true,"), "received 'True'"),
        (
            ('type = "bool"', 'type = "flag"'),
            "one.parameters.fast: needs a default and a type out of int, float",
        ),
        (
            ("at_most = 0.6", "at_most = nan"),
            "one.targets.error: needs one of at_most, at_least, a finite number",
        ),
        (("at_most = 0.6", "at_most = 0.6, at_least = 1"), "needs one of at_most, at_least"),
        (
            ("at_most = 0.6", "atmost = 0.6"),
            "unknown entry 'atmost'; allowed are at_most, at_least, baseline",
        ),
        (("seed = 7", "sede = 7"), "one.profiles.quick.parameters: unknown entry 'sede'"),
        (("seed = 7", "seed = 700"), "one.profiles.quick: parameter seed must be"),
        (("profiles.quick]", "profiles.slow]"), "unknown entry 'slow'; allowed are quick, standard, full"),
        (("profiles.quick]", "profiles.standard]"), "standard is the notebook's own defaults"),
        (('[one.targets]\nerror = { at_most = 0.6, baseline = "trivial" }', ""), "has no target"),
        (("[one.targets]", "[one.targets"), "is not TOML"),
        (
            ("[one.parameters]", "[one]\nfurther = 1\n[one.parameters]"),
            "one.further: must be true or false; received 1",
        ),
    ],
)
def test_a_wrong_series_is_refused_by_its_entry(tmp_path, change, message):
    text = TABLE.format(name="one")
    assert change[0] in text
    (tmp_path / "series.toml").write_text(text.replace(*change))
    with pytest.raises(SpecError) as error:
        load_series(tmp_path)
    assert message in str(error.value)


def test_a_further_notebook_is_in_its_folder_and_marked_with_its_statements(tmp_path):
    folder = make_series(tmp_path / "series", {"one": [], "further/more": []})
    lecture = ""
    for name in ("one", "more"):
        for text in ("It is so", "(beyond the lecture) It is so, too"):
            lecture += f'[[{name}.lecture]]\ntext = "{text}"\ncells = ["a"]\nshown = "b"\n'
    (folder / "series.toml").write_text((folder / "series.toml").read_text() + lecture)
    one, more = load_series(folder).values()
    assert (one.further, one.file, one.heading) == (False, "one.ipynb", "one")
    assert (more.further, more.file, more.heading) == (True, "further/more.ipynb", "more (beyond the lecture)")
    assert one.path.is_file() and more.path.is_file()
    assert [entry["text"] for entry in one.lecture] == ["It is so", "(beyond the lecture) It is so, too"]
    assert [entry["text"] for entry in more.lecture] == [
        "(beyond the lecture) It is so",
        "(beyond the lecture) It is so, too",
    ]


def test_a_missing_series_is_refused(tmp_path):
    with pytest.raises(SpecError, match="cannot read"):
        load_series(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "1", None])
def test_a_number_without_bounds_is_finite_and_a_number_all_the_same(value):
    assert Parameter("rate", "float", 1.0).check(2) == 2.0
    with pytest.raises(UsageError, match="parameter rate must be a number; received"):
        Parameter("rate", "float", 1.0).check(value)


@pytest.fixture
def renamed(tmp_path, monkeypatch):
    """A series whose parameter `rate` was formerly called `pace`."""
    parameters.warn_of_former_name.cache_clear()
    folder = make_series(tmp_path / "series", {"one": [check()]})
    table = (folder / "series.toml").read_text(encoding="utf-8")
    table = table.replace('rate = { type = "float"', 'rate = { type = "float", formerly = "pace"')
    (folder / "series.toml").write_text(table, encoding="utf-8")
    monkeypatch.setenv("AELIB_NOTEBOOKS", str(folder))
    return folder


def test_a_folder_becomes_absolute_and_may_be_empty(monkeypatch, tmp_path):
    folder = Parameter("pictures", "folder", "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ana")
    assert [folder.parse(text) for text in ("", "a/b", "/c", "~/d")] == ["", f"{tmp_path}/a/b", "/c", "/home/ana/d"]
    assert folder.check("") == "" and folder.allowed == "a folder"
    with pytest.raises(UsageError, match="parameter pictures must be a folder; received '3'"):
        folder.check(3)


def test_a_former_name_of_a_parameter_works_with_a_warning(renamed, capsys):
    (plan,) = runner.plan(["one"], "standard", "tensorflow", [("pace", "2.5")])
    assert (plan.parameters["rate"], "pace" in plan.parameters) == (2.5, False)
    warning = "warning: parameter pace is now called rate; the next release knows rate only\n"
    assert capsys.readouterr().err == warning


def test_a_former_name_works_in_a_grid_with_one_warning_for_all_points(renamed, capsys):
    pytest.importorskip("pandas")
    from aelib.series import sweep

    _, points = sweep.plan("one", ["backend=tensorflow", "pace=0.25,2"], "standard", "tensorflow", [("seed", "1")])
    assert [point.parameters["rate"] for point in points] == [0.25, 2.0]
    assert capsys.readouterr().err.count("\n") == 1


def test_a_former_name_is_checked_as_the_present_one(renamed):
    with pytest.raises(UsageError, match=r"parameter rate must be a number above 0 and at most 10; received '11\.0'"):
        runner.plan(["one"], "standard", "tensorflow", [("pace", "11")])
    with pytest.raises(UsageError, match="parameter rate is given 2 times"):
        runner.plan(["one"], "standard", "tensorflow", [("pace", "1"), ("rate", "2")])


@pytest.mark.parametrize(
    ("values", "given"),
    [
        ({"seed": 101}, ("seed", "101")),
        ({"seed": 0, "rate": 0}, ("rate", "0")),
        ({"rate": float("nan")}, ("rate", "nan")),
        ({"kind": "even"}, ("kind", "even")),
        ({"profile": "slow"}, None),
    ],
)
def test_by_hand_a_parameter_is_refused_in_the_words_of_the_command_line(renamed, values, given):
    with pytest.raises(UsageError) as command_line:
        runner.plan(["one"], "standard" if given else "slow", "tensorflow", [given] if given else [])
    with pytest.raises(ValueError) as by_hand:
        check_parameters("one", {"print": print, "profile": "standard"} | values)
    assert str(by_hand.value) == str(command_line.value)


def test_by_hand_allowed_parameters_pass_and_other_names_are_ignored(renamed):
    check_parameters("one", {"profile": "quick", "seed": 100, "rate": 2, "kind": "odd", "fast": True, "max": 1})
    check_parameters("one", {})
    with pytest.raises(ValueError, match="notebook must be one of one; received 'two'"):
        check_parameters("two", {})


@pytest.mark.parametrize("name", load_series(series_folder()))
def test_a_notebook_opened_by_hand_checks_its_parameters_before_it_uses_them(name):
    notebook = load_series()[name]
    cells = [cell.source for cell in document.read(notebook.path).cells if cell.cell_type == "code"]
    before, found, _ = "\n".join(cells[2:]).partition(f'check_parameters("{name}", globals())')  # after the parameters
    assert found and not re.search(rf"\b({'|'.join(notebook.parameters)})\b", before)
