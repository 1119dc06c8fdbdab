"""Append a summary of a junit.xml to that of the workflow run: python .github/summarize.py JUNIT_XML TITLE."""

import os
import sys
from collections import Counter
from html import escape
from pathlib import Path
from xml.etree import ElementTree

OUTCOMES = {"failure": "failed", "error": "error", "skipped": "skipped"}
MAX_MESSAGE_CHARACTERS = 300


def summary(path, title):
    """Return Markdown with a line of counts and a table of the cases that failed."""
    heading = f"### {title}\n\n"
    if not Path(path).is_file():
        return f"{heading}No {path}: the run ended before it was written.\n\n"
    counts, rows = Counter(), []
    for case in ElementTree.parse(path).iter("testcase"):
        child = next((child for child in case if child.tag in OUTCOMES), None)
        outcome = "passed" if child is None else OUTCOMES[child.tag]
        counts[outcome] += 1
        if outcome in ("failed", "error"):
            name = f"{case.get('classname', '')} {case.get('name', '')}".strip()
            rows.append(f"| {_cell(name)} | {outcome} | {_cell(child.get('message') or child.text or '')} |\n")
    line = ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "no test"
    table = "".join(["\n| case | outcome | message |\n| --- | --- | --- |\n", *rows]) if rows else ""
    return f"{heading}{line}\n{table}\n"


def _cell(text):
    line = " ".join(text.split())
    if len(line) > MAX_MESSAGE_CHARACTERS:
        line = line[:MAX_MESSAGE_CHARACTERS] + "…"
    return escape(line, quote=False).replace("|", "\\|")


if __name__ == "__main__":
    text = summary(*sys.argv[1:])
    if target := os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(target, "a", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stdout.write(text)
