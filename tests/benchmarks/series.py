"""The whole series: wall time and peak memory per profile, and the share of the time that is not training.

Training is the time of the cells that call fit, ours or another library's; the rest is starting, importing, data,
plots, metrics and export. Memory is the sum of the resident sets of the run and all its processes, taken five times a
second, which counts shared pages more than once.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

import nbformat
import psutil
from bench import ENVIRONMENT, write_report

FITS = re.compile(r"\bfit\(|\.fit_transform\(|\bmeasure\(")


def run(profile, out):
    """Return (seconds, peak memory in MB, content of results.json) of `python -m aelib run`."""
    begin, peak = time.perf_counter(), 0
    process = subprocess.Popen(
        [sys.executable, "-m", "aelib", "run", "--profile", profile, "--out", out],
        env={**ENVIRONMENT, **os.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    parent = psutil.Process(process.pid)
    while process.poll() is None:
        total = 0
        with suppress(psutil.Error):
            for member in [parent, *parent.children(recursive=True)]:
                with suppress(psutil.Error):
                    total += member.memory_info().rss
        peak = max(peak, total / 1e6)
        time.sleep(0.2)
    with open(f"{out}/results.json", encoding="utf-8") as file:
        return time.perf_counter() - begin, peak, json.load(file)


def training_seconds(path):
    """Return the seconds that the cells of an executed notebook take that fit something."""
    seconds = 0.0
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and FITS.search(cell.source):
            seconds += cell.metadata.get("papermill", {}).get("duration") or 0.0
    return seconds


def help_seconds(times=7):
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "aelib", "--help"], stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("profiles", nargs="*", default=["quick", "standard", "full"])
    rows, figures = [], {"help_seconds": help_seconds()}
    for profile in parser.parse_args().profiles:
        with tempfile.TemporaryDirectory() as out:
            seconds, peak, results = run(profile, out)
            each = {notebook["name"]: notebook["seconds"] for notebook in results["notebooks"]}
            trained = {name: training_seconds(f"{out}/{name}.ipynb") for name in each}
        statuses = {notebook["name"]: notebook["status"] for notebook in results["notebooks"]}
        figures[profile] = {
            "seconds": seconds,
            "peak_mb": peak,
            "each": each,
            "trained": trained,
            "statuses": statuses,
        }
        print(profile, figures[profile], file=sys.stderr, flush=True)
        rows.append(
            (
                profile,
                f"{seconds:.0f} s",
                ", ".join(f"{value:.0f} s" for value in each.values()),
                f"{1 - sum(trained.values()) / seconds:.0%}",
                f"{peak / 1000:.1f} GB",
                "all" if set(statuses.values()) == {"passed"} else str(statuses),
            )
        )
    rows.append(("`python -m aelib --help`", f"{figures['help_seconds']:.2f} s", "", "", "", ""))

    def draw(figure):
        axes = figure.subplots()
        for index, profile in enumerate(name for name in figures if name != "help_seconds"):
            trained = sum(figures[profile]["trained"].values())
            axes.barh(index, trained, color="#0072b2", label="" if index else "cells that train")
            axes.barh(
                index,
                figures[profile]["seconds"] - trained,
                left=trained,
                color="#bbbbbb",
                label="" if index else "the rest",
            )
        axes.set_yticks(range(len(figures) - 1), [name for name in figures if name != "help_seconds"])
        axes.set_xlabel("seconds, one notebook after the other")
        axes.legend()

    header = ("profile", "the series takes", "01, 02, 03", "not training", "peak memory", "targets reached")
    write_report("series", header, rows, figures, draw)


if __name__ == "__main__":
    main()
