"""Throw-away notebooks without Keras, and a way to run the command line on them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import nbformat
from nbformat.v4 import new_code_cell, new_notebook

import aelib

_SCHEMA = json.loads((Path(aelib.__file__).parent / "series" / "results.schema.json").read_text(encoding="utf-8"))
SCHEMA = jsonschema.Draft202012Validator(_SCHEMA)
PARAMETERS = 'profile: str = "standard"\nseed: int = 0\nrate: float = 0.5\nkind: str = "plain"\nfast: bool = False\n'
TABLE = """
[{name}.parameters]
seed = {{ type = "int", default = 0, min = 0, max = 100 }}
rate = {{ type = "float", default = 0.5, above = 0, max = 10 }}
kind = {{ type = "str", default = "plain", choices = ["plain", "odd"] }}
fast = {{ type = "bool", default = false }}
[{name}.targets]
error = {{ at_most = 0.6, baseline = "trivial" }}
[{name}.profiles.quick]
parameters = {{ seed = 7 }}
targets.error = {{ at_most = 0.7, baseline = "trivial" }}
"""


def check(value="rate", name="{name}"):
    """Return the last cell of a notebook, whose metric `error` is the value of an expression."""
    return (
        "from aelib.series import check\n"
        f'check("{name}", {{"error": {value}, "trivial": 0.9, "seed": seed}}, profile=profile)'
    )


def make_series(folder, notebooks):
    """Make a folder of notebooks, each a list of cells (strings or cell objects), with their series.toml.

    A name that begins with "further/" makes a further notebook.
    """
    (folder / "further").mkdir(parents=True, exist_ok=True)
    table = ""
    parameters = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    for file, cells in notebooks.items():
        name = file.removeprefix("further/")
        cells = [new_code_cell(cell.replace("{name}", name)) if isinstance(cell, str) else cell for cell in cells]
        nbformat.write(new_notebook(cells=[parameters, *cells]), folder / f"{file}.ipynb")
        table += (f"[{name}]\nfurther = true\n" if file != name else "") + TABLE.format(name=name)
    (folder / "series.toml").write_text(table, encoding="utf-8")
    return folder


def add_pictures(series, name):
    """Give a notebook of a series the parameter `pictures`, a folder."""
    for path, old, new in (
        (series / "series.toml", f"[{name}.parameters]\n", 'pictures = { type = "folder", default = "" }\n'),
        (series / f"{name}.ipynb", "fast: bool = False\\n", 'pictures: str = \\"\\"\\n'),
    ):
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, old + new), encoding="utf-8")


def start(series, *arguments, before=(), **environment):
    """Start `python -m aelib ARGUMENTS` on a series, or the command `before` with the arguments; return the process."""
    return subprocess.Popen(
        [*(before or (sys.executable, "-m", "aelib")), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "AELIB_NOTEBOOKS": str(series),
            **{key: str(value) for key, value in environment.items()},
        },
    )


class Finished:
    """A finished run: its exit code, its output, and its results by notebook."""

    def __init__(self, process, out, timeout=180):
        self.stdout, self.stderr = process.communicate(timeout=timeout)
        self.code, self.out = process.returncode, Path(out)

    @property
    def results(self):
        """The content of results.json, checked against its schema."""
        results = json.loads((self.out / "results.json").read_text(encoding="utf-8"))
        self.validate(results)
        return results

    @staticmethod
    def validate(results):
        SCHEMA.validate(results)

    def __getitem__(self, name):
        return next(notebook for notebook in self.results["notebooks"] if notebook["name"] == name)

    def notebook(self, name):
        return nbformat.read(self.out / f"{name}.ipynb", as_version=4)

    def page(self, name):
        return (self.out / f"{name}.html").read_text(encoding="utf-8")


def run(series, out, *arguments, **environment):
    """Run `python -m aelib run` and wait for its end."""
    return Finished(start(series, "run", "--out", out, *arguments, **environment), out)
