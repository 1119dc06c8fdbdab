"""Write the cell that begins every source notebook: it installs `aelib` where it is missing.

    python -m aelib.series.first_cell

puts it into every notebook of the checkout, after the title, with the repository that pyproject.toml names.
"""

import json
import tomllib

from aelib._paths import repository_file

CELL_ID = "install-aelib"
SOURCE = """
# Installs aelib where it is missing: Colab, Kaggle, a notebook opened alone. Elsewhere this cell does nothing.
import importlib.util

if importlib.util.find_spec("aelib") is None:
    import os
    import pathlib
    import subprocess
    import sys

    repository = "@REPOSITORY@"
    named = os.environ.get("KERAS_BACKEND")
    backends = [named] if named else ["tensorflow", "jax", "torch"]
    extra = "" if any(map(importlib.util.find_spec, backends)) else f"[{backends[0]}]"
    places = [pathlib.Path(), pathlib.Path(".."), *pathlib.Path("/kaggle/input").glob("*")]
    wheels = [wheel for place in places for wheel in sorted(place.glob("aelib-*.whl"))]
    source = f"{wheels[0].resolve()}{extra}" if wheels else f"aelib{extra} @ {repository}/archive/HEAD.zip"
    if subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source]).returncode:
        raise ModuleNotFoundError(f"could not install {source}; put the wheel of aelib beside this notebook")
    importlib.invalidate_caches()
"""


def first_cell() -> dict:
    """Return the cell as a notebook in format 4 holds it, for the repository that pyproject.toml names."""
    about = tomllib.loads(repository_file("pyproject.toml").read_text(encoding="utf-8"))
    source = SOURCE.strip().replace("@REPOSITORY@", about["project"]["urls"]["Repository"])
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": CELL_ID,
        "metadata": {},
        "outputs": [],
        "source": source.splitlines(keepends=True),
    }


def with_first_cell(notebook: dict) -> dict:
    """Return a notebook with the cell behind its title, in the place of an older one."""
    cells = [cell for cell in notebook["cells"] if cell["id"] != CELL_ID]
    return {**notebook, "cells": [cells[0], first_cell(), *cells[1:]]}


def main():
    for path in sorted(repository_file("notebooks").rglob("*.ipynb")):
        if ".ipynb_checkpoints" not in path.parts:
            notebook = with_first_cell(json.loads(path.read_text(encoding="utf-8")))
            path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
