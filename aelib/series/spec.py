"""Read notebooks/series.toml: the notebooks, their parameters, profiles, targets and statements of the lecture."""

import functools
import math
import os
import re
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aelib._errors import UsageError
from aelib._paths import repository_file

PROFILES = ("quick", "standard", "full")
OPERATORS = {"at_most": "<=", "at_least": ">="}
# The types of parameters: what they are called, the texts that stand for a value, and how these become one.
TYPES: dict[str, tuple[str, str, Callable]] = {
    "int": ("a whole number", r"[+-]?[0-9]{1,30}", int),
    "float": ("a number", r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", float),
    "str": ("a text", r"(?s:.*)", str),
    "bool": ("true or false", r"(?i:true|false)", lambda text: text.lower() == "true"),
}


class SpecError(UsageError):
    """A mistake in series.toml, reported in one line that names the entry."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook: its type, its default and its allowed values. `formerly` is a name it had before."""

    name: str
    type: str
    default: object
    min: float = -math.inf
    above: float = -math.inf
    max: float = math.inf
    choices: tuple = ()
    help: str = ""
    formerly: str | None = None

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        bounds = (("above", self.above), ("at least", self.min), ("at most", self.max))
        words = " and ".join(f"{words} {bound}" for words, bound in bounds if abs(bound) < math.inf)
        return f"{TYPES[self.type][0]} {words}".strip()

    def parse(self, text: str):
        """Return the value that a text from the command line stands for; raise UsageError if it is not allowed."""
        _, pattern, convert = TYPES[self.type]
        return self.check(convert(text) if re.fullmatch(pattern, text) else text)

    def check(self, value):
        """Return a value in the parameter's own type; raise UsageError if it is not allowed."""
        if self.type == "float" and type(value) is int:
            value = float(value)
        allowed = type(value).__name__ == self.type and (not self.choices or value in self.choices)
        if allowed and self.type in ("int", "float"):
            allowed = abs(value) < math.inf and value > self.above and self.min <= value <= self.max
        if not allowed:
            raise UsageError(f"parameter {self.name} must be {self.allowed}; received {str(value)[:80]!r}")
        return value


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
    """A notebook of the series.

    `picture` is the id of the cell whose picture represents it in the report. `lecture` has an entry for each statement
    of the lecture: its text, the name of the notebook, the ids of the cells that show it, and the metrics that measure
    it, or in `shown` what is shown instead.
    """

    name: str
    title: str
    path: Path
    parameters: dict[str, Parameter]
    profiles: dict[str, Profile]
    picture: str | None
    lecture: tuple[dict, ...]

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


def check_given(notebooks, given):
    """Raise UsageError for (name, text) pairs that no run of the notebooks could take; warn of former names."""
    known = dict.fromkeys(name for notebook in notebooks for name in notebook.parameters)
    names = []
    for name, _ in given:
        if name == "profile":
            raise UsageError("profile is set by --profile, not by -p")
        parameter = next(filter(None, (notebook.parameter(name) for notebook in notebooks)), None)
        if parameter is None:
            chosen = ", ".join(notebook.name for notebook in notebooks)
            raise UsageError(f"no parameter {name[:80]!r} in {chosen}; allowed are {', '.join(known)}")
        if name != parameter.name:
            warn_of_former_name(name, parameter.name)
        names.append(parameter.name)
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"parameter {name} is given {names.count(name)} times; once is allowed")


@functools.cache  # once for each name, however many points of a sweep have it
def warn_of_former_name(former: str, name: str):
    """Print to stderr that a parameter has another name now."""
    print(f"warning: parameter {former} is now called {name}; the next release knows {name} only", file=sys.stderr)


def _notebook(name, table, folder):
    where = f"series.toml, {name}"
    _check_entries(table, where, ("title", "picture", "parameters", "targets", "profiles", "lecture"))
    entries = table.get("parameters", {}).items()
    parameters = {key: _parameter(key, entry, f"{where}.parameters.{key}") for key, entry in entries}
    targets = _targets(table, where)
    tables = table.get("profiles", {})
    _check_entries(tables, f"{where}.profiles", PROFILES)
    profiles = {
        key: _profile(key, tables.get(key, {}), parameters, targets, f"{where}.profiles.{key}") for key in PROFILES
    }
    for index, entry in enumerate(table.get("lecture", [])):
        _check_entries(entry, f"{where}.lecture[{index}]", ("text", "cells", "metrics", "shown"), ("text", "cells"))
    lecture = tuple({"notebook": name, "metrics": [], "shown": "", **entry} for entry in table.get("lecture", []))
    path = folder / f"{name}.ipynb"
    return Notebook(name, table.get("title", name), path, parameters, profiles, table.get("picture"), lecture)


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
    _check_entries(entry, where, ("type", "default", "min", "above", "max", "choices", "help", "formerly"))
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
