"""Markdown with TeX in; HTML with MathML out, which browsers show without a network and without a script."""

import re

import latex2mathml.converter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from aelib.series.spec import UsageError


class MathError(ValueError):
    """An equation that cannot be written as MathML."""


def check_equations(notebook, name):
    """Refuses a notebook with an equation that its page could not show; raises UsageError."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            try:
                MarkdownWithMath(renderer=TextRenderer(strict=True)).render(cell.source)
            except MathError as error:
                raise UsageError(f"{name}, cell {index}: {error}") from None


def mathml(tex, display):
    """TeX as MathML; raises MathError where a command is left over. display: "inline" or "block"."""
    try:
        html = latex2mathml.converter.convert(tex, display=display)
    except Exception as error:  # latex2mathml raises many kinds, most of them without a message
        raise MathError(f"cannot read the equation {tex.strip()!r}: {type(error).__name__} {error}") from None
    if left := re.search(r"\\[A-Za-z]+", html):
        raise MathError(f"no MathML for {left[0]} in the equation {tex.strip()!r}")
    return html


class TextRenderer(IPythonRenderer):
    """nbconvert's Markdown with MathML for equations, headings that a table of contents can lead to, no raw HTML.

    Args:
        strict: whether an equation without MathML is an error; its source is shown otherwise.
        headings: a list to which (level, id, HTML) of each heading is appended.
    """

    def __init__(self, strict=False, headings=None, **options):
        super().__init__(escape=True, **options)
        self.strict = strict
        self.headings = [] if headings is None else headings

    def inline_math(self, body):
        return self._math(body, "inline")

    def block_math(self, body):
        return self._math(body, "block")

    def latex_environment(self, name, body):
        return self._math(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")

    def heading(self, text, level, **attrs):
        words = re.sub(r"<[^>]*>|&\w+;", " ", text).casefold()
        slug = "section-" + ("-".join(re.findall(r"\w+", words)) or "untitled")
        taken = [known for _, known, _ in self.headings]
        name = next(name for name in (slug, *(f"{slug}-{n}" for n in range(2, len(taken) + 3))) if name not in taken)
        self.headings.append((level, name, text))
        return f'<h{level} id="{name}">{text}</h{level}>\n'

    def table(self, text):
        return f'<div class="wide" tabindex="0" role="group" aria-label="Table">\n<table>\n{text}</table>\n</div>\n'

    def image(self, text, url, title=None):
        # Attachments have become data by now; anything else would be loaded from outside.
        html = super().image(text, url, title)
        return html if 'src="data:image/' in html else f"<em>{text}</em>"

    def _math(self, tex, display):
        try:
            html = mathml(tex, display)
        except MathError:
            # What a cell printed was not checked before the run; its source is better than no page.
            if self.strict:
                raise
            return f"<code>{self.escape_html(tex)}</code>"
        if display == "inline":
            return html
        return f'<div class="wide equation" tabindex="0" role="group" aria-label="Equation">{html}</div>'
