"""notebooks/series.toml in; the notebooks with their parameters, profiles and targets, all checked, out."""

import math
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from aelib._paths import repository_file

PROFILES = ("quick", "standard", "full")
TYPES = {"int": int, "float": float, "str": str, "bool": bool}
SIDES = {"at_most": "<=", "at_least": ">="}


class UsageError(ValueError):
    """A mistake of the caller, told in one line before any kernel starts."""


class SpecError(UsageError):
    """A mistake in series.toml, told in one line that names the entry."""


@dataclass(frozen=True)
class Parameter:
    """One value that a notebook can be run with, and what it may be."""

    name: str
    type: str
    default: object
    min: float | None = None
    above: float | None = None
    max: float | None = None
    choices: tuple = ()
    help: str = ""

    @property
    def allowed(self):
        """What the parameter may be, in words."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        bounds = []
        if self.above is not None:
            bounds.append(f"above {self.above:g}")
        if self.min is not None:
            bounds.append(f"at least {_plain(self.min)}")
        if self.max is not None:
            bounds.append(f"at most {_plain(self.max)}")
        kind = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false"}[self.type]
        return " ".join([kind, " and ".join(bounds)]).strip()

    def parse(self, text):
        """The value that the text of a command line stands for; raises UsageError."""
        if self.type == "int" and re.fullmatch(r"[+-]?[0-9]{1,30}", text):
            return self.check(int(text))
        if self.type == "float" and re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
            return self.check(float(text))
        if self.type == "bool" and text.lower() in ("true", "false"):
            return self.check(text.lower() == "true")
        if self.type == "str":
            return self.check(text)
        raise self._refusal(text)

    def check(self, value):
        """The value, as the parameter's own type, if it is allowed; raises UsageError."""
        if self.type == "float" and type(value) is int:
            value = float(value)
        if type(value) is not TYPES[self.type] or (self.choices and value not in self.choices):
            raise self._refusal(value)
        if self.type in ("int", "float"):
            inside = math.isfinite(value) and (self.above is None or value > self.above)
            inside = inside and (self.min is None or value >= self.min) and (self.max is None or value <= self.max)
            if not inside:
                raise self._refusal(value)
        return value

    def _refusal(self, value):
        return UsageError(f"parameter {self.name} must be {self.allowed}; received {str(value)[:80]!r}")


@dataclass(frozen=True)
class Target:
    """A bound that a metric must keep; `baseline` is the metric (or number) it is shown beside."""

    metric: str
    op: str
    bound: float
    baseline: str | float | None = None

    def reached_by(self, value):
        """Whether a finite value lies on the right side."""
        return value <= self.bound if self.op == "<=" else value >= self.bound


@dataclass(frozen=True)
class Profile:
    """The parameter values (without the user's own) and the targets of one way to run a notebook."""

    name: str
    values: dict
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Notebook:
    """One notebook of the series; `profile` is a parameter of every notebook, and set by the run alone.

    `picture` is the id of the cell whose picture stands for it; `lecture` is for aelib.series.lecture.
    """

    name: str
    title: str
    path: Path
    parameters: dict[str, Parameter]
    profiles: dict[str, Profile]
    picture: str | None = None
    lecture: tuple = ()

    def values(self, profile, given=()):
        """All parameter values of a run: the profile's, and over them the (name, text) pairs given."""
        return {"profile": profile, **self.profiles[profile].values} | {
            name: self.parameters[name].parse(text) for name, text in given if name in self.parameters
        }


def series_folder():
    """Return the folder of series.toml and the notebooks: $AELIB_NOTEBOOKS, or the one that comes with the library."""
    given = os.environ.get("AELIB_NOTEBOOKS")
    return Path(os.path.expanduser(given)).resolve() if given else repository_file("notebooks")


def load_series(folder=None):
    """The notebooks of a folder by name, in the order of its series.toml; raises SpecError."""
    folder = Path(folder) if folder else series_folder()
    path = folder / "series.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise SpecError(f"{path} is not TOML: {error}") from None
    return {name: _notebook(name, table, folder) for name, table in tables.items()}


def check_data(dataset=None):
    """Refuse a data folder that is missing, and a data set that is neither there nor to be had; raises UsageError."""
    # Imported here, so that help need not wait for NumPy.
    from aelib.data import NAMES, DataError, fetch
    from aelib.data.files import folder

    try:
        folder()
        if dataset in NAMES:
            fetch(dataset)
    except DataError as error:
        raise UsageError(str(error)) from None


def check_given(notebooks, given):
    """Refuses (name, text) pairs that no run could take; raises UsageError."""
    names = [name for name, _ in given]
    known = dict.fromkeys(name for notebook in notebooks for name in notebook.parameters)
    for name in names:
        if not name.isidentifier():
            raise UsageError(f"{name[:80]!r} is not a parameter's name; allowed are {', '.join(known)}")
        if name == "profile":
            raise UsageError("profile is set by --profile, not by -p")
        if name not in known:
            chosen_names = ", ".join(notebook.name for notebook in notebooks)
            raise UsageError(f"no parameter {name!r} in {chosen_names}; allowed are {', '.join(known)}")
        if names.count(name) > 1:
            raise UsageError(f"parameter {name} is given {names.count(name)} times; once is allowed")


def _plain(number):
    return str(number) if isinstance(number, int) else f"{number:g}"


def _notebook(name, table, folder):
    where = f"series.toml, {name}"
    _only(table, ("title", "picture", "parameters", "targets", "profiles", "lecture"), where)
    parameters = {key: _parameter(key, entry, where) for key, entry in table.get("parameters", {}).items()}
    defaults = {key: parameter.default for key, parameter in parameters.items()}
    targets = _targets(table.get("targets", {}), where)
    tables = table.get("profiles", {})
    _only(tables, PROFILES, f"{where}.profiles")
    profiles = {}
    for profile in PROFILES:
        entry, place = tables.get(profile, {}), f"{where}.profiles.{profile}"
        _only(entry, ("parameters", "targets"), place)
        values = entry.get("parameters", {})
        _only(values, parameters, f"{place}.parameters")
        if profile == "standard" and values:
            raise SpecError(f"{place}: standard is the notebook's own defaults; change them there")
        try:
            values = {key: parameters[key].check(value) for key, value in values.items()}
        except UsageError as error:
            raise SpecError(f"{place}: {error}") from None
        own = targets | _targets(entry.get("targets", {}), place)
        if not own:
            raise SpecError(f"{place}: has no target")
        profiles[profile] = Profile(profile, defaults | values, tuple(own.values()))
    path, lecture = folder / f"{name}.ipynb", tuple(table.get("lecture", ()))
    return Notebook(name, table.get("title", name), path, parameters, profiles, table.get("picture"), lecture)


def _parameter(name, entry, where):
    place = f"{where}.parameters.{name}"
    _only(entry, ("type", "default", "min", "above", "max", "choices", "help"), place)
    if not name.isidentifier() or name == "profile":
        raise SpecError(f"{place}: not a name for a parameter")
    if entry.get("type") not in TYPES or "default" not in entry:
        raise SpecError(f"{place}: needs a default and a type out of {', '.join(TYPES)}")
    parameter = Parameter(name, **{**entry, "choices": tuple(entry.get("choices", ()))})
    try:
        parameter.check(parameter.default)
    except UsageError as error:
        raise SpecError(f"{place}: the default is not allowed: {error}") from None
    return parameter


def _targets(tables, where):
    targets = {}
    for metric, entry in tables.items():
        place = f"{where}.targets.{metric}"
        _only(entry, (*SIDES, "baseline"), place)
        sides = [side for side in SIDES if side in entry]
        if len(sides) != 1 or type(entry[sides[0]]) not in (int, float) or not math.isfinite(entry[sides[0]]):
            raise SpecError(f"{place}: needs one of {', '.join(SIDES)}, a finite number")
        targets[metric] = Target(metric, SIDES[sides[0]], entry[sides[0]], entry.get("baseline"))
    return targets


def _only(table, allowed, where):
    if not isinstance(table, dict):
        raise SpecError(f"{where}: must be a table; received {table!r}")
    for key in table:
        if key not in allowed:
            raise SpecError(f"{where}: unknown entry {key!r}; allowed are {', '.join(allowed)}")
