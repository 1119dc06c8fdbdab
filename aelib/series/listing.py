"""The text that `aelib list` prints: the parameters, profiles and targets of notebooks."""

import textwrap

from aelib.series.verdict import judge, text_table

WIDTH = 80  # columns
MIN_DESCRIPTION_WIDTH = 24  # columns, however long the names beside it


def text(notebooks) -> str:
    """Return the description of notebooks, at most WIDTH columns wide."""
    return "\n\n\n".join("\n".join(_notebook(notebook)) for notebook in notebooks)


def _notebook(notebook):
    yield textwrap.fill(f"{notebook.name}: {notebook.title}", WIDTH, subsequent_indent="    ")
    if notebook.parameters:
        yield "\n  Parameters (-p NAME VALUE)"
        yield from _parameters(notebook.parameters.values())
    for name, profile in notebook.profiles.items():
        changed = {key: value for key, value in profile.values.items() if value != notebook.parameters[key].default}
        changes = ", ".join(f"{key}={_text(value)}" for key, value in changed.items())
        heading = f"Profile {name}: {changes or 'the defaults'}"
        yield "\n" + textwrap.fill(heading, WIDTH, initial_indent="  ", subsequent_indent="      ")
        verdicts = judge({}, profile.targets)
        baselines = ["" if target.baseline is None else str(target.baseline) for target in profile.targets]
        rows = [
            (verdict.row[0], verdict.row[2], baseline) for verdict, baseline in zip(verdicts, baselines, strict=True)
        ]
        yield textwrap.indent(text_table(("metric", "target", "baseline"), rows), "    ")


def _parameters(parameters):
    rows = [(parameter.name, parameter.type, _text(parameter.default)) for parameter in parameters]
    lines = text_table(("name", "type", "default"), rows).split("\n")
    indent = max(map(len, lines)) + 6
    descriptions = ["; ".join(filter(None, (parameter.help, parameter.allowed))) for parameter in parameters]
    for line, description in zip(lines, ["meaning, allowed values", "-" * 23, *descriptions], strict=True):
        yield textwrap.fill(
            description,
            max(WIDTH, indent + MIN_DESCRIPTION_WIDTH),
            initial_indent=f"    {line}".ljust(indent),
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
        )


def _text(value):
    """Return a parameter's value as -p takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'
