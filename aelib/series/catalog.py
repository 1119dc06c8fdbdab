"""The catalog of the series: find the notebooks that a command line names, and describe them for `aelib list`."""

import os
import re
import textwrap
from contextlib import suppress
from itertools import zip_longest

from aelib.series.spec import Notebook, UsageError, series_folder
from aelib.series.verdict import judge, text_table

WIDTH = 80  # columns
DESCRIPTION_WIDTH = 40  # columns, however long the names beside it


def select_notebooks(series: dict[str, Notebook], names) -> list[Notebook]:
    """Return the notebooks that names or paths stand for, each once; the chapters without names.

    A name may be shortened to words of it or to their beginning (`01`, `compression`, `comp`); a path must lead to the
    file of a notebook of the series.

    Raises:
        UsageError: a name or a path stands for no notebook, or for several.
    """
    selected = dict.fromkeys(_selected_name(series, name) for name in names)
    return [series[name] for name in selected or [name for name in series if not series[name].further]]


def _selected_name(series, given):
    if given in series:
        return given
    known = f"the series has {', '.join(series)}"
    path = os.path.expanduser(given)
    # A copy of a notebook in the working directory is not the series' own, though it has the name.
    if path != given or os.path.basename(path) != path or (given.endswith(".ipynb") and os.path.exists(path)):
        for name, notebook in series.items():
            with suppress(OSError):
                if os.path.samefile(path, notebook.path):
                    return name
        reason = "is not a notebook of the series" if os.path.exists(path) else "does not exist"
        raise UsageError(f"{given[:200]!r} {reason}; {known} (in {series_folder()})")
    short = re.escape(given.removesuffix(".ipynb").lower().replace("-", "_"))
    # The name itself; else its words, also without leading zeros; else the beginning of a word.
    for pattern in (short, f"(.*_)?0*{short}(_.*)?", f"(.*_)?{short}.*") if short else ():
        matching = [name for name in series if re.fullmatch(pattern, name.lower().replace("-", "_"))]
        if len(matching) > 1:
            raise UsageError(f"notebook {given[:80]!r} is ambiguous; it could be {', '.join(matching)}")
        if matching:
            return matching[0]
    raise UsageError(f"no notebook {given[:80]!r}; {known}")


def describe(notebooks) -> str:
    """Return the description of notebooks, at most WIDTH columns wide unless names of parameters are very long."""
    return "\n\n\n".join("\n".join(_lines(notebook)) for notebook in notebooks)


def _lines(notebook):
    yield textwrap.fill(f"{notebook.name}: {notebook.heading}", WIDTH, subsequent_indent="    ")
    if notebook.parameters:
        yield "\n  Parameters (-p NAME VALUE)"
        header = ("name", "type", "default", "meaning, allowed values")
        rows = [row for parameter in notebook.parameters.values() for row in _parameter_rows(parameter)]
        yield textwrap.indent(text_table(header, rows), "    ")
    for name, profile in notebook.profiles.items():
        changed = {key: value for key, value in profile.values.items() if value != notebook.parameters[key].default}
        changes = ", ".join(f"{key}={_text(value)}" for key, value in changed.items())
        heading = f"Profile {name}: {changes or 'the defaults'}"
        yield "\n" + textwrap.fill(heading, WIDTH, initial_indent="  ", subsequent_indent="      ")
        rows = []
        for target, verdict in zip(profile.targets, judge({}, profile.targets), strict=True):
            metric, _, bound, *_ = verdict.row
            rows.append((metric, bound, "" if target.baseline is None else str(target.baseline)))
        yield textwrap.indent(text_table(("metric", "target", "baseline"), rows), "    ")


def _parameter_rows(parameter):
    """Return a row for each line of a parameter's description, the first with the parameter's name."""
    description = "; ".join(filter(None, (parameter.help, parameter.allowed)))
    lines = textwrap.wrap(description, DESCRIPTION_WIDTH, break_on_hyphens=False)
    return zip_longest([parameter.name], [parameter.type], [_text(parameter.default)], lines, fillvalue="")


def _text(value):
    """Return a parameter's value as -p takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'
