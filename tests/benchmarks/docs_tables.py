"""Copy the tables of the benchmarks into docs/benchmarks.md and docs/costs.md, each between its markers."""

import re

from bench import CHECKOUT, OUT

PAGES = ("docs/benchmarks.md", "docs/costs.md")
MARKERS = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- end -->)", re.S)


def filled(text):
    """Return the text with the newest table between each pair of markers; a table without a new one is kept."""

    def table(match):
        path = OUT / f"{match[2]}.md"
        return match[1] + path.read_text(encoding="utf-8") + match[3] if path.exists() else match[0]

    return MARKERS.sub(table, text)


if __name__ == "__main__":
    for path in (CHECKOUT / name for name in PAGES):
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
