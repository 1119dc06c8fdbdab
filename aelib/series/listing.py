"""What `aelib list` prints: the parameters, profiles and targets of notebooks, as plain text."""

import textwrap

from aelib.series.verdict import judge, text_table

WIDTH = 80  # columns
NARROWEST = 24  # columns of a description, however long the names beside it


def text(notebooks):
    """Return the description of notebooks, at most WIDTH columns wide."""
    return "\n\n\n".join("\n".join(_notebook(notebook)) for notebook in notebooks)


def _notebook(notebook):
    yield from textwrap.wrap(f"{notebook.name}: {notebook.title}", WIDTH, subsequent_indent="    ")
    if notebook.parameters:
        yield "\n  Parameters (-p NAME VALUE)"
        yield from _parameters(notebook.parameters.values())
    for profile in notebook.profiles.values():
        changes = ", ".join(
            f"{name}={_value(value)}"
            for name, value in profile.values.items()
            if value != notebook.parameters[name].default
        )
        yield ""
        heading = f"Profile {profile.name}: {changes or 'the defaults'}"
        yield from textwrap.wrap(heading, WIDTH, initial_indent="  ", subsequent_indent="      ")
        yield from _targets(profile.targets)


def _parameters(parameters):
    header = ("name", "type", "default")
    rows = [(one.name, one.type, _value(one.default)) for one in parameters]
    head, line, *lines = text_table(header, rows).split("\n")
    left = max(map(len, (head, line, *lines)))
    width = max(WIDTH - 4 - left - 2, NARROWEST)
    yield f"    {head:{left}}  meaning, allowed values"
    yield f"    {line:{left}}  {'-' * 23}"
    for start, one in zip(lines, parameters, strict=True):
        description = "; ".join(filter(None, (one.help, one.allowed)))
        for part in textwrap.wrap(description, width, break_on_hyphens=False):
            yield f"    {start:{left}}  {part}"
            start = ""


def _targets(targets):
    rows = [
        (one.target.metric, one.row[2], "" if one.target.baseline is None else str(one.target.baseline))
        for one in judge({}, targets)
    ]
    yield textwrap.indent(text_table(("metric", "target", "baseline"), rows), "    ")


def _value(value):
    """Return a parameter's value as -p takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'
