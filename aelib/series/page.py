"""An executed notebook and its outcome in; a page of HTML out that needs no network and no script of the notebook's."""

import re
from functools import cache
from html import escape
from pathlib import Path

import nh3
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import MarkdownWithMath

from aelib.series.equations import TextRenderer

TEMPLATES = Path(__file__).parent / "templates"
# What of an output is shown, the best first: nothing that is a program.
SHOWN = ("text/html", "text/markdown", "image/svg+xml", "text/latex", "image/png", "image/jpeg", "text/plain")
TAGS = (nh3.ALLOWED_TAGS | {"section", "figure", "figcaption", "button"}) - {"area", "map", "rp", "rt", "ruby"}
ATTRIBUTES = {
    "*": {"class", "title", "lang", "dir", "role", "aria-label", "aria-hidden", "tabindex"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "ol": {"start"},
}


def notebook_page(notebook, outcome, title):
    """The page of one executed notebook: its verdict at the top, a table of contents, text, code and outputs."""
    # Imported here, so that nobody waits for matplotlib before a notebook begins.
    from aelib import explorer

    # Not shared: an exporter keeps state while it converts, and notebooks may run in parallel.
    exporter = PageExporter(template_file=str(TEMPLATES / "cells.html"))
    cells, _ = exporter.from_notebook_node(notebook)
    return (
        environment()
        .get_template("page.html")
        .render(
            outcome=outcome,
            title=title,
            cells=Markup(cells),
            contents=[(level, name, Markup(text)) for level, name, text in exporter.headings if level in (2, 3)],
            script=Markup(explorer.SCRIPT) if explorer.MARK in cells else None,
        )
    )


def failure_page(outcome):
    """The page of a notebook whose outputs cannot be shown."""
    title, cause = escape(f"{outcome.name}: {outcome.status}"), escape(outcome.cause)
    return f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{title}</title><p>{cause}</p></html>'


@cache
def environment(*folders):
    """The templates of the report, and of further folders, which escape what they are given."""
    found = Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["style"] = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))
    return found


def harmless(html):
    """The HTML of an output without scripts, styles, frames, forms and whatever would be loaded from outside."""
    return nh3.clean(
        html,
        tags=TAGS,
        clean_content_tags={"script", "style", "template", "iframe", "object", "noscript"},
        attributes=ATTRIBUTES,
        attribute_filter=_inside_only,
        generic_attribute_prefixes={"data-"},
        url_schemes={"data", "http", "https", "mailto"},
    )


def _inside_only(tag, name, value):
    if name == "src" and not re.match(r"data:image/(png|jpeg|gif|webp|svg\+xml)[;,]", value):
        return None
    if name == "href" and not re.match(r"#|https?:|mailto:", value):
        return None
    return value


class PageExporter(HTMLExporter):
    """nbconvert's cells under our template, with the Markdown of `equations` and no scripts."""

    # Each validation compiles the schema anew; one at the end says the same as twelve.
    optimistic_validation = True

    def __init__(self, **options):
        super().__init__(**options)
        self.headings = []
        self.register_filter("harmless", harmless)
        self.register_filter("latex2html", lambda tex: self._render(tex, []))
        self.register_filter("output_markdown", lambda text: self._render(text, []))

    @property
    def default_config(self):
        config = super().default_config
        config.NbConvertBase.display_data_priority = list(SHOWN)
        return config

    @pass_context
    def markdown2html(self, context, source):
        return self._render(source, self.headings, context.get("cell", {}).get("attachments", {}))

    def _render(self, source, headings, attachments=None):
        renderer = TextRenderer(headings=headings, attachments=attachments or {})
        return MarkdownWithMath(renderer=renderer).render(source)
