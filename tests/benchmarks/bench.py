"""Shared by the benchmarks: run a script in a fresh process, and write a table, JSON and a plot."""

import json
import os
import platform
import subprocess
import sys
from contextlib import suppress
from datetime import date
from importlib import metadata
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

CHECKOUT = Path(__file__).resolve().parents[2]
OUT = Path(os.environ.get("AELIB_BENCH_OUT", CHECKOUT / "reports" / "benchmarks"))
COLORS = {"tensorflow": "#d55e00", "jax": "#0072b2", "torch": "#009e73"}
# As `aelib run` sets it.
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1", "GOMP_SPINCOUNT": "1000"}


def run_script(script, *arguments, backend="tensorflow", **environment):
    """Run `python SCRIPT ARGUMENTS` in a new process, and return the last line of its output, a JSON value."""
    done = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        env={**ENVIRONMENT, **os.environ, "KERAS_BACKEND": backend, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{Path(script).name} {' '.join(map(str, arguments))} on {backend} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def print_json(value):
    """Print a JSON value for the process that called `run_script`."""
    print(json.dumps(value), flush=True)


def machine():
    """Return the machine, the versions and the date, for the line below a table."""
    names = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    flags = next((line for line in _lines("/proc/cpuinfo") if line.startswith("flags")), "")
    versions = {}
    for name in ("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy"):
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {
        "processor": next(iter(names), platform.processor()) + (", AVX-512" if "avx512f" in flags else ""),
        "cores": len(os.sched_getaffinity(0)),
        "numpy_product_gflops": round(product_gflops()),
        "python": platform.python_version(),
        "versions": versions,
        "date": date.today().isoformat(),
    }


def product_gflops(size=1024, times=20):
    """Return the median speed of NumPy's float32 product of two square matrices."""
    import time

    matrix, seconds = np.random.default_rng(0).random((size, size), "float32"), []
    for _ in range(times):
        begin = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - begin)
    return 2 * size**3 / float(np.median(seconds)) / 1e9


def write_report(name, header, rows, data, draw, size=(6.4, 3.6)):
    """Print a table, and write NAME.md, NAME.json and NAME.png to the folder of the benchmarks.

    Args:
        header, rows: the cells of the table.
        data: dict that is written to NAME.json beside the description of the machine.
        draw: function that draws on a figure.
        size: width and height of the figure in inches.
    """
    environment = machine()
    OUT.mkdir(parents=True, exist_ok=True)
    lines = ["| " + " | ".join(map(str, line)) + " |" for line in (header, ["---"] * len(header), *rows)]
    versions = ", ".join(f"{package} {version}" for package, version in environment["versions"].items())
    footer = (
        f"{environment['date']}; {environment['cores']} cores ({environment['processor']}), NumPy's product "
        f"{environment['numpy_product_gflops']} GFLOPS; Python {environment['python']}, {versions}."
    )
    text = "\n".join([*lines, "", footer, ""])
    print(f"\n{text}")
    (OUT / f"{name}.md").write_text(text, encoding="utf-8")
    (OUT / f"{name}.json").write_text(json.dumps({"machine": environment, **data}, indent=1) + "\n", encoding="utf-8")
    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    figure.savefig(OUT / f"{name}.png", dpi=110)
    print(f"{OUT / name}.md, .json, .png")


def _lines(path):
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
