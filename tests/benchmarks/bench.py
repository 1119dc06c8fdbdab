"""What the benchmarks share: children in fresh processes, a table, and where JSON and plot go."""

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
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1", "GOMP_SPINCOUNT": "1000"}  # as of a run


def child(script, *arguments, backend="tensorflow", **environment):
    """What `python SCRIPT ARGUMENTS` prints as the last line of its output, a JSON value, in a process of its own."""
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


def answer(value):
    """Tell the parent a JSON value."""
    print(json.dumps(value), flush=True)


def machine():
    """The machine, the versions and the date, for the line below a table."""
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
    """Median speed of NumPy's float32 product of two square matrices."""
    import time

    matrix, seconds = np.random.default_rng(0).random((size, size), "float32"), []
    for _ in range(times):
        begin = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - begin)
    return 2 * size**3 / float(np.median(seconds)) / 1e9


def publish(name, header, rows, data, draw, size=(6.4, 3.6)):
    """Print the table; leave NAME.md, NAME.json and NAME.png in the folder of the benchmarks."""
    about = machine()
    OUT.mkdir(parents=True, exist_ok=True)
    lines = ["| " + " | ".join(map(str, line)) + " |" for line in (header, ["---"] * len(header), *rows)]
    versions = ", ".join(f"{package} {version}" for package, version in about["versions"].items())
    below = (
        f"{about['date']}; {about['cores']} cores ({about['processor']}), NumPy's product "
        f"{about['numpy_product_gflops']} GFLOPS; Python {about['python']}, {versions}."
    )
    text = "\n".join([*lines, "", below, ""])
    print(f"\n{text}")
    (OUT / f"{name}.md").write_text(text, encoding="utf-8")
    (OUT / f"{name}.json").write_text(json.dumps({"machine": about, **data}, indent=1) + "\n", encoding="utf-8")
    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    figure.savefig(OUT / f"{name}.png", dpi=110)
    print(f"{OUT / name}.md, .json, .png")


def _lines(path):
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
