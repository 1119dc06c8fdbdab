"""Make one site of the reports of a run: python .github/site.py ARTIFACTS SITE COMMIT.

ARTIFACTS holds a folder report-BACKEND for each backend that got as far as a report. The first of them in BACKENDS
becomes the front page, the others folders of it, and the front page says how each backend did.
"""

import json
import shutil
import sys
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch")


def outcome(report):
    """Return what results.json of a report says, in a few words."""
    notebooks = json.loads((report / "results.json").read_text(encoding="utf-8"))["notebooks"]
    targets = [target["reached"] for notebook in notebooks for target in notebook["targets"]]
    unfinished = [
        f"{notebook['name']} {notebook['status']}"
        for notebook in notebooks
        if notebook["status"] not in ("passed", "missed")
    ]
    return ", ".join([f"{sum(targets)} of {len(targets)} targets reached", *unfinished])


def make(artifacts, site, commit):
    """Fill the folder `site`; return whether there was a report."""
    reports = {backend: artifacts / f"report-{backend}" for backend in BACKENDS}
    found = [backend for backend, report in reports.items() if (report / "index.html").is_file()]
    if not found:
        return False
    said = []
    for backend in BACKENDS:
        if backend not in found:
            said.append(f"{backend}: no report")
            continue
        folder = site if backend == found[0] else site / backend
        shutil.copytree(reports[backend], folder, dirs_exist_ok=True)
        link = backend if folder == site else f'<a href="{backend}/index.html">{backend}</a>'
        said.append(f"{link}: {outcome(reports[backend])}")
    front = site / "index.html"
    page = front.read_text(encoding="utf-8")
    if "</h1>" not in page:
        raise SystemExit(f"{front} has no heading after which to say how each backend did")
    line = f"<p>Commit {commit[:10]}. {'; '.join(said)}.</p>"
    front.write_text(page.replace("</h1>", f"</h1>\n{line}", 1), encoding="utf-8")
    return True


if __name__ == "__main__":
    if not make(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]):
        print("::notice::Nothing is published: the run ended before a report.")
