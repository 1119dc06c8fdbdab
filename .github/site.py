"""Make one site from the reports of a run: python .github/site.py ARTIFACTS SITE COMMIT.

ARTIFACTS contains a folder report-BACKEND for each backend whose run wrote a report. The first of them in the order of
BACKENDS becomes the front page, the others become subfolders; the front page shows the outcome on each backend.
"""

import json
import shutil
import sys
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch")


def outcome(report):
    """Return a short summary of the results.json of a report."""
    notebooks = json.loads((report / "results.json").read_text(encoding="utf-8"))["notebooks"]
    targets = [target["reached"] for notebook in notebooks for target in notebook["targets"]]
    unfinished = [
        f"{notebook['name']} {notebook['status']}"
        for notebook in notebooks
        if notebook["status"] not in ("passed", "missed")
    ]
    return ", ".join([f"{sum(targets)} of {len(targets)} targets reached", *unfinished])


def make(artifacts, site, commit):
    """Write the site to the folder `site`; return whether there was a report."""
    reports = {backend: artifacts / f"report-{backend}" for backend in BACKENDS}
    available = [backend for backend, report in reports.items() if (report / "index.html").is_file()]
    if not available:
        return False
    outcomes = []
    for backend in BACKENDS:
        if backend not in available:
            outcomes.append(f"{backend}: no report")
            continue
        folder = site if backend == available[0] else site / backend
        shutil.copytree(reports[backend], folder, dirs_exist_ok=True)
        link = backend if folder == site else f'<a href="{backend}/index.html">{backend}</a>'
        outcomes.append(f"{link}: {outcome(reports[backend])}")
    front = site / "index.html"
    page = front.read_text(encoding="utf-8")
    if "</h1>" not in page:
        raise SystemExit(f"{front} must have a heading, to insert the outcomes after it; it has no </h1>")
    line = f"<p>Commit {commit[:10]}. {'; '.join(outcomes)}.</p>"
    front.write_text(page.replace("</h1>", f"</h1>\n{line}", 1), encoding="utf-8")
    return True


if __name__ == "__main__":
    if not make(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]):
        print("::notice::Nothing is published: the run wrote no report.")
