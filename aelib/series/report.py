"""An executed notebook or a run in; a page of HTML out that needs no network and no script."""

import re
from html import escape
from pathlib import Path

import latex2mathml.converter
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from aelib.series.spec import UsageError
from aelib.series.verdict import COLUMNS, number

TEMPLATES = Path(__file__).parent


class MathError(ValueError):
    """An equation that cannot be written as MathML."""


def index_html(run):
    """The page of a run: the verdict, a table per notebook, links to their pages."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    reached = sum(one.reached for outcome in run.outcomes for one in outcome.targets)
    total = sum(len(outcome.targets) for outcome in run.outcomes)
    return environment.get_template("index.html").render(
        run=run, reached=reached, total=total, columns=COLUMNS, number=number
    )


def notebook_html(notebook, outcome):
    """The page of one executed notebook, with its verdict at the top."""
    # Not shared: an exporter keeps state while it converts, and notebooks may run in parallel.
    exporter = PageExporter(template_file=str(TEMPLATES / "page.html"))
    html, _ = exporter.from_notebook_node(notebook, {"aelib": outcome, "metadata": {"name": outcome.name}})
    return html


def failure_html(outcome):
    """The page of a notebook whose outputs cannot be shown."""
    title, cause = escape(f"{outcome.name}: {outcome.status}"), escape(outcome.cause)
    return f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{title}</title><p>{cause}</p></html>'


def check_equations(notebook, name):
    """Refuses a notebook with an equation that its page could not show; raises UsageError."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            try:
                MarkdownWithMath(renderer=MathRenderer(strict=True)).render(cell.source)
            except MathError as error:
                raise UsageError(f"{name}, cell {index}: {error}") from None


def mathml(tex, display):
    """TeX as MathML; raises MathError where a command is left over."""
    try:
        html = latex2mathml.converter.convert(tex, display=display)
    except Exception as error:  # latex2mathml raises many kinds, most of them without a message
        raise MathError(f"cannot read the equation {tex.strip()!r}: {type(error).__name__} {error}") from None
    if left := re.search(r"\\[A-Za-z]+", html):
        raise MathError(f"no MathML for {left[0]} in the equation {tex.strip()!r}")
    return html


class MathRenderer(IPythonRenderer):
    """Markdown to HTML with equations as MathML, which browsers show without MathJax."""

    def __init__(self, strict=False, **options):
        super().__init__(escape=False, **options)
        self.strict = strict

    def inline_math(self, body):
        return self._math(body, "inline")

    def block_math(self, body):
        return self._math(body, "block")

    def latex_environment(self, name, body):
        return self._math(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")

    def _math(self, tex, display):
        try:
            return mathml(tex, display)
        except MathError:
            # What a cell printed was not checked before the run; its source is better than no page.
            if self.strict:
                raise
            return f"<code>{self.escape_html(tex)}</code>"


class PageExporter(HTMLExporter):
    """nbconvert's page without its scripts."""

    # Each validation compiles the schema anew; one at the end says the same as twelve.
    optimistic_validation = True

    @pass_context
    def markdown2html(self, context, source):
        attachments = context.get("cell", {}).get("attachments", {})
        return MarkdownWithMath(renderer=MathRenderer(attachments=attachments)).render(source)
