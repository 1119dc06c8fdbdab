"""The parameters of a notebook: which values they allow, and what is wrong with those that a caller gives."""

import functools
import math
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

from aelib._errors import UsageError

# The types of parameters: what they are called, the texts that stand for a value, and how these become one. A folder's
# path becomes absolute, because a notebook is executed in a folder of its own.
TYPES: dict[str, tuple[str, str, Callable]] = {
    "int": ("a whole number", r"[+-]?[0-9]{1,30}", int),
    "float": ("a number", r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", float),
    "str": ("a text", r"(?s:.*)", str),
    "folder": ("a folder", r"(?s:.*)", lambda text: os.path.abspath(os.path.expanduser(text)) if text else ""),
    "bool": ("true or false", r"(?i:true|false)", lambda text: text.lower() == "true"),
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook: its type, its default and its allowed values.

    `formerly` is a name it had before. `costly` says that the upper end of its range takes too long to be tried.
    """

    name: str
    type: str
    default: object
    min: float = -math.inf
    above: float = -math.inf
    max: float = math.inf
    choices: tuple = ()
    help: str = ""
    formerly: str | None = None
    costly: bool = False

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
        python_type = "str" if self.type == "folder" else self.type
        allowed = type(value).__name__ == python_type and (not self.choices or value in self.choices)
        if allowed and self.type in ("int", "float"):
            allowed = abs(value) < math.inf and value > self.above and self.min <= value <= self.max
        if not allowed:
            raise UsageError(f"parameter {self.name} must be {self.allowed}; received {str(value)[:80]!r}")
        return value


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
