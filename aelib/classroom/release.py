"""Assignments in; a folder for students out: each notebook without its answers, and what it needs to run."""

import shutil
import tempfile
from pathlib import Path

from aelib.classroom import assignment
from aelib.series import document
from aelib.series.spec import UsageError

CHECKOUT = Path(__file__).resolve().parents[2]
NEEDED = ("requirements.txt", "pyproject.toml", "LICENSE", "aelib", "data/README.md", "data/mnist_5k.npz")
README = """# Assignments

In a terminal, in this folder (Python 3.11 or later, on Linux or macOS; no network once installed, no GPU):

    python3 -m venv .venv
    .venv/bin/python -m pip install -r requirements.txt
    .venv/bin/jupyter lab

Then open {names}. Fill in the cells that say `YOUR CODE HERE`, and run the test below each: it says what it
expected and what came. Before you hand in: Kernel, Restart and Run All Cells.
"""


def release(names, out):
    """Write the student version of the named assignments (all without names) to the folder; returns their paths.

    Raises:
        UsageError: for an unknown name, or a folder that is there already and not empty.
    """
    names = list(dict.fromkeys(names)) or assignment.names()
    made = {name: assignment.released(assignment.source(name)) for name in names}
    out = Path(out)
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"{out} is there and not empty; choose another --out, so that nothing is overwritten")
        out.parent.mkdir(parents=True, exist_ok=True)
        # Beside its place and then moved there: a release that was cut off is none.
        with tempfile.TemporaryDirectory(prefix=".aelib-release-", dir=out.parent) as scratch:
            place = Path(scratch) / "release"
            _fill(place, made)
            place.chmod(0o755)
            place.replace(out)
    except OSError as error:
        raise UsageError(f"cannot write to the folder {out}: {error.strerror}") from None
    return [out / f"{name}.ipynb" for name in names]


def _fill(place, made):
    for name in NEEDED:
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(CHECKOUT / name, target)
    for name, notebook in made.items():
        (place / f"{name}.ipynb").write_text(document.text(notebook), encoding="utf-8")
    names = ", ".join(f"`{name}.ipynb`" for name in made)
    (place / "README.md").write_text(README.format(names=names), encoding="utf-8")
