"""The text that `aelib list` prints: the parameters, profiles and targets of notebooks."""

import textwrap
from itertools import zip_longest

from aelib.series.verdict import judge, text_table

WIDTH = 80  # columns
DESCRIPTION_WIDTH = 40  # columns, however long the names beside it


def text(notebooks) -> str:
    """Return the description of notebooks, at most WIDTH columns wide unless names of parameters are very long."""
    return "\n\n\n".join("\n".join(_notebook(notebook)) for notebook in notebooks)


def _notebook(notebook):
    yield textwrap.fill(f"{notebook.name}: {notebook.title}", WIDTH, subsequent_indent="    ")
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
        for verdict in judge({}, profile.targets):
            metric, _, target, *_ = verdict.row
            rows.append((metric, target, "" if verdict.target.baseline is None else str(verdict.target.baseline)))
        yield textwrap.indent(text_table(("metric", "target", "baseline"), rows), "    ")


def _parameter_rows(parameter):
    """Return a row for each line of a parameter's description, the first with the parameter's name."""
    description = "; ".join(filter(None, (parameter.help, parameter.allowed)))
    lines = textwrap.wrap(description, DESCRIPTION_WIDTH, break_on_hyphens=False)
    return zip_longest([parameter.name], [parameter.type], [_text(parameter.default)], lines, fillvalue="")


def _text(value):
    """Return a parameter's value as -p takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'
