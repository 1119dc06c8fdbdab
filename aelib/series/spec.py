"""Read notebooks/series.toml: the notebooks, their parameters, profiles, targets and statements of the lecture."""

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aelib._errors import UsageError
from aelib._paths import repository_file
from aelib.series.parameters import TYPES, Parameter

BEYOND = "(beyond the lecture)"  # marks further notebooks, and statements that the lecture does not make
PROFILES = ("quick", "standard", "full")
OPERATORS = {"at_most": "<=", "at_least": ">="}


class SpecError(UsageError):
    """A mistake in series.toml, reported in one line that names the entry."""


@dataclass(frozen=True)
class Target:
    """A bound on a metric. `op` is "<=" or ">=", `baseline` a metric or a number to compare with."""

    metric: str
    op: str
    bound: float
    baseline: str | float | None = None


@dataclass(frozen=True)
class Profile:
    """The parameter values and the targets of one way to run a notebook."""

    values: dict
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Notebook:
    """A notebook of the series: a chapter, which `aelib run` executes without names, or a further notebook.

    `picture` is the id of the cell whose picture represents it in the report. `lecture` has an entry for each statement
    of the lecture: its text, the name of the notebook, the ids of the cells that show it, and the metrics that measure
    it, or in `shown` what is shown instead.
    """

    name: str
    title: str
    folder: Path
    further: bool
    parameters: dict[str, Parameter]
    profiles: dict[str, Profile]
    picture: str | None
    lecture: tuple[dict, ...]

    @property
    def file(self) -> str:
        """The path of its file in the folder of the series, with "/"."""
        return f"{'further/' if self.further else ''}{self.name}.ipynb"

    @property
    def path(self) -> Path:
        """The path of its file."""
        return self.folder / self.file

    @property
    def heading(self) -> str:
        """Its title, which says of a further notebook that it is beyond the lecture."""
        return f"{self.title} {BEYOND}" if self.further else self.title

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter that has a name, or had it formerly; None if there is none."""
        named = (parameter for parameter in self.parameters.values() if name in (parameter.name, parameter.formerly))
        return next(named, None)

    def values(self, profile: str, given=()) -> dict:
        """Return all parameter values of a run: the profile's, replaced by the (name, text) pairs given."""
        values = {"profile": profile, **self.profiles[profile].values}
        for name, text in given:
            if parameter := self.parameter(name):
                values[parameter.name] = parameter.parse(text)
        return values


def series_folder() -> Path:
    """Return the folder of series.toml and the notebooks: $AELIB_NOTEBOOKS, or the one that comes with the library."""
    given = os.environ.get("AELIB_NOTEBOOKS")
    return Path(os.path.expanduser(given)).resolve() if given else repository_file("notebooks")


def load_series(folder=None) -> dict[str, Notebook]:
    """Return the notebooks of a folder by name, in the order of its series.toml; raise SpecError."""
    folder = Path(folder) if folder else series_folder()
    path = folder / "series.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise SpecError(f"{path} is not TOML: {error}") from None
    return {name: _notebook(name, table, folder) for name, table in tables.items()}


def check_profile(profile: object) -> None:
    """Raise UsageError for a name that is no profile's."""
    if profile not in PROFILES:
        raise UsageError(f"profile must be one of {', '.join(PROFILES)}; received {profile!r}")


def notebook_named(name: str) -> Notebook:
    """Return the notebook of the series that has exactly this name; raise UsageError if there is none."""
    series = load_series()
    if name not in series:
        raise UsageError(f"notebook must be one of {', '.join(series)}; received {name!r}")
    return series[name]


def check_parameters(notebook: str, values: Mapping[str, object]) -> None:
    """Check parameters as the command line does, for a notebook that is opened by hand.

    Args:
        notebook: name in notebooks/series.toml, for example "01_compression".
        values: {name: value}, in a notebook `globals()`; names that are no parameters are ignored.

    Raises:
        UsageError: a ValueError that names the parameter, its allowed values and the value; or there is no such
            notebook.
    """
    parameters = notebook_named(notebook).parameters
    check_profile(values.get("profile", "standard"))
    for name, parameter in parameters.items():
        if name in values:
            parameter.check(values[name])


def _notebook(name, table, folder):
    where = f"series.toml, {name}"
    _check_entries(table, where, ("title", "further", "picture", "parameters", "targets", "profiles", "lecture"))
    entries = table.get("parameters", {}).items()
    parameters = {key: _parameter(key, entry, f"{where}.parameters.{key}") for key, entry in entries}
    further = table.get("further", False)
    if not isinstance(further, bool):
        raise SpecError(f"{where}.further: must be true or false; received {further!r}")
    targets = _targets(table, where)
    tables = table.get("profiles", {})
    _check_entries(tables, f"{where}.profiles", PROFILES)
    profiles = {
        key: _profile(key, tables.get(key, {}), parameters, targets, f"{where}.profiles.{key}") for key in PROFILES
    }
    for index, entry in enumerate(table.get("lecture", [])):
        _check_entries(entry, f"{where}.lecture[{index}]", ("text", "cells", "metrics", "shown"), ("text", "cells"))
    lecture = tuple({"notebook": name, "metrics": [], "shown": "", **entry} for entry in table.get("lecture", []))
    if further:
        lecture = tuple(entry | {"text": f"{BEYOND} {entry['text'].removeprefix(BEYOND).strip()}"} for entry in lecture)
    title, picture = table.get("title", name), table.get("picture")
    return Notebook(name, title, folder, further, parameters, profiles, picture, lecture)


def _profile(name, table, parameters, targets, where):
    _check_entries(table, where, ("parameters", "targets"))
    values = table.get("parameters", {})
    _check_entries(values, f"{where}.parameters", parameters)
    if name == "standard" and values:
        raise SpecError(f"{where}: standard is the notebook's own defaults; change them there")
    targets = targets | _targets(table, where)
    if not targets:
        raise SpecError(f"{where}: has no target")
    defaults = {key: parameter.default for key, parameter in parameters.items()}
    values = {key: _checked(value, parameters[key], where) for key, value in values.items()}
    return Profile(defaults | values, tuple(targets.values()))


def _parameter(name, entry, where):
    _check_entries(entry, where, ("type", "default", "min", "above", "max", "choices", "help", "formerly", "costly"))
    if entry.get("type") not in TYPES or "default" not in entry:
        raise SpecError(f"{where}: needs a default and a type out of {', '.join(TYPES)}")
    parameter = Parameter(name, **{**entry, "choices": tuple(entry.get("choices", ()))})
    _checked(parameter.default, parameter, f"{where}: the default is not allowed")
    return parameter


def _checked(value, parameter, where):
    try:
        return parameter.check(value)
    except UsageError as error:
        raise SpecError(f"{where}: {error}") from None


def _targets(table, where):
    """Return {metric: Target} of the entry "targets" of a table."""
    targets = {}
    for metric, entry in table.get("targets", {}).items():
        _check_entries(entry, f"{where}.targets.{metric}", (*OPERATORS, "baseline"))
        bounds = [(op, entry[key]) for key, op in OPERATORS.items() if key in entry]
        if len(bounds) != 1 or type(bounds[0][1]) not in (int, float) or not math.isfinite(bounds[0][1]):
            raise SpecError(f"{where}.targets.{metric}: needs one of {', '.join(OPERATORS)}, a finite number")
        targets[metric] = Target(metric, *bounds[0], entry.get("baseline"))
    return targets


def _check_entries(table, where, allowed, needed=()):
    if not isinstance(table, dict):
        raise SpecError(f"{where}: must be a table; received {table!r}")
    for key in table:
        if key not in allowed:
            raise SpecError(f"{where}: unknown entry {key!r}; allowed are {', '.join(allowed)}")
    if not table.keys() >= {*needed}:
        raise SpecError(f"{where}: needs {' and '.join(needed)}")
