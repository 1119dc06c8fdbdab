"""Copy the tables of the benchmarks into docs/benchmarks.md and docs/costs.md, each between its marks."""

import re

from bench import CHECKOUT, OUT

PAGES = ("docs/benchmarks.md", "docs/costs.md")
MARKS = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- end -->)", re.S)


def filled(text):
    """Return the text with the newest table between each pair of marks; without a new table the old one stays."""

    def table(found):
        path = OUT / f"{found[2]}.md"
        return found[1] + path.read_text(encoding="utf-8") + found[3] if path.exists() else found[0]

    return MARKS.sub(table, text)


if __name__ == "__main__":
    for path in (CHECKOUT / name for name in PAGES):
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
