"""Execute every notebook with each parameter at each end of its range: python tests/ends_of_range.py [NOTEBOOK ...].

One parameter at a time, the others as in the quick profile; a parameter that series.toml calls costly at its lower end
only. A run must end with a verdict, whether its targets are reached or missed, and with no NaN or infinite metric, or
be refused before it starts. Exit code 1 if a run did neither. Weekly, because it takes about half an hour a notebook.
"""

import argparse
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from PIL import Image

from aelib.series.catalog import select_notebooks
from aelib.series.spec import load_series
from aelib.series.verdict import METRICS_MIME

DEADLINE_SECONDS = 900


def ends(parameter, folder):
    """Return the values at the ends of a parameter's range; a text without choices has none, a folder is `folder`."""
    if parameter.type == "folder":
        return [str(folder)]
    if parameter.type == "bool":
        values = [False, True]
    elif parameter.choices or parameter.type == "str":
        values = list(parameter.choices)
    else:
        # Just above a bound that is not allowed itself, as a person would type it, or any rate is 5e-324.
        low = parameter.min if math.isinf(parameter.above) else parameter.above + 1e-6
        values = [low, parameter.max]
    return values[:1] if parameter.costly else [value for value in values if value not in (-math.inf, math.inf)]


def runs(notebook, folder):
    """Yield (name, value as -p takes it) of the runs of a notebook; not the values of the quick profile itself."""
    for name, parameter in notebook.parameters.items():
        for value in ends(parameter, folder):
            if value != notebook.profiles["quick"].values[name]:
                yield name, str(value).lower() if parameter.type == "bool" else str(value)


def not_finite(path):
    """Return the names of the metrics that an executed notebook handed over and that are NaN or infinite."""
    outputs = [output for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", [])]
    records = [output.data[METRICS_MIME] for output in outputs if METRICS_MIME in output.get("data", {})]
    return [name for record in records for name, value in record["metrics"].items() if isinstance(value, str)]


def attempt(notebook, name, value):
    """Run a notebook with one parameter changed; return what is wrong with it (None if nothing), and how it ended."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "aelib", "run", notebook.name, "--profile", "quick", "-q", "--out", out]
        command += ["-p", name, value, "--deadline", str(DEADLINE_SECONDS)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 2:
            return None, f"refused: {done.stderr.strip()}"
        # Below the table of the targets is a line with the status of the notebook.
        lines = [line for line in done.stdout.splitlines() if line.startswith(f"{notebook.name} ")]
        verdict = lines[-1] if lines else done.stderr
        if done.returncode not in (0, 1):
            return "did not finish", verdict
        names = not_finite(Path(out) / f"{notebook.name}.ipynb")
        return f"not finite: {', '.join(names)}" if names else None, verdict


def main():
    """Run what the command line names, print a line per run, and exit with 1 if something is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("notebooks", nargs="*", help="all by default")
    parser.add_argument("--parameter", help="only this one")
    arguments = parser.parse_args()
    series, wrong = load_series(), 0
    with tempfile.TemporaryDirectory() as folder:
        for shade in range(3):
            Image.new("RGB", (64, 48 + shade), (80 * shade, 90, 120)).save(f"{folder}/{shade}.png")
        for notebook in select_notebooks(series, arguments.notebooks or series):
            for name, value in runs(notebook, folder):
                if arguments.parameter in (None, name):
                    problem, verdict = attempt(notebook, name, value)
                    wrong += problem is not None
                    print(f"{'WRONG: ' + problem if problem else 'ok'}: -p {name} {value}: {verdict}", flush=True)
    print(f"{wrong} wrong")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
