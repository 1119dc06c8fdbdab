"""Every target over seeds and backends: python tests/benchmarks/matrix.py [NOTEBOOK ...] [--profile NAME].

It says for each target its spread and its margin, and whether a run is reproducible. Every notebook of the series takes
part, the further ones, too. With names or a profile only that part is executed, and its report is `matrix-part`; what
was executed in parts is not executed again, neither for the whole nor after an interruption.

Quick: seeds 0 to 9 on three backends; standard: seeds 0 to 4 on TensorFlow; with `python -m aelib sweep`, which does
not repeat finished points. A target holds if the mean is at least two standard deviations inside its bound, and it is
tight if the bound is no looser than the worst value plus two standard deviations. Exit code 1 if a target does not hold
or is not tight, or if a second run of seed 0, with two notebooks in parallel, gives other metrics on some backend.
"""

import argparse
import json
import subprocess
import sys
import tempfile

import pandas
from bench import CHECKOUT, write_report

from aelib.series.catalog import select_notebooks
from aelib.series.spec import load_series

PLAN = {
    "quick": {"backend": "tensorflow,jax,torch", "seed": "0..9"},
    "standard": {"backend": "tensorflow", "seed": "0..4"},
}


def chosen_parts(series, names, profiles):
    """Return the (notebook, profile) that names and profiles stand for, all without them, profile by profile."""
    chosen = [notebook.name for notebook in select_notebooks(series, names or series)]
    return [(name, profile) for profile in PLAN if profile in (profiles or PLAN) for name in chosen]


def sweep(name, profile, workers):
    """Run a sweep and return its table; missed targets and failed points are in the table and do not stop it."""
    out = CHECKOUT / "sweeps" / f"matrix-{profile}"
    grids = [f"--grid={axis}={values}" for axis, values in PLAN[profile].items()]
    command = [sys.executable, "-m", "aelib", "sweep", name, "--profile", profile, *grids]
    done = subprocess.run([*command, "--workers", str(workers), "--out", str(out)], stdout=subprocess.DEVNULL)
    if done.returncode not in (0, 1, 3):
        sys.exit(done.returncode)
    return pandas.read_parquet(out / f"{name}.parquet")


def judged(target, values):
    """Return (mean, standard deviation, worst, standard deviations from mean to bound, whether the bound is tight)."""
    sign = 1 if target.op == "<=" else -1
    mean, stddev, worst = values.mean(), values.std(ddof=1), (values * sign).max() * sign
    inside = sign * (target.bound - mean)
    margin = inside / stddev if stddev > 0 else float("inf") if inside >= 0 else float("-inf")
    return mean, stddev, worst, margin, sign * target.bound <= sign * worst + 2 * stddev + 1e-12


def differing_metrics(backend, table):
    """Run seed 0 again with two notebooks in parallel, and return the names of the metrics that differ."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "aelib", "run", "--all", "--profile", "quick", "--jobs", "2", "--out", out]
        command += ["--backend", backend]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(f"{out}/results.json", encoding="utf-8") as file:
            notebooks = json.load(file)["notebooks"]
    differing = []
    for notebook in notebooks:
        rows = table[(table.notebook == notebook["name"]) & (table.backend == backend) & (table.seed == 0)]
        before = rows.iloc[0].filter(like="metric.").dropna().rename(lambda name: name.removeprefix("metric."))
        now = notebook["metrics"]
        differing += [f"{notebook['name']}: {name}" for name in {**before, **now} if before.get(name) != now.get(name)]
    return differing


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("notebooks", nargs="*")
    parser.add_argument("--profile", action="append", choices=list(PLAN))
    arguments = parser.parse_args()
    series, rows, data, passed, values_of = load_series(), [], {}, True, {}
    parts = chosen_parts(series, arguments.notebooks, arguments.profile)
    whole = len(parts) == len(PLAN) * len(series)
    tables = {(name, profile): sweep(name, profile, arguments.workers) for name, profile in parts}
    for (name, profile), table in tables.items():
        for target in series[name].profiles[profile].targets:
            values = table[f"metric.{target.metric}"]
            complete = len(values.dropna()) == len(table) and (table.status == "passed").all()
            mean, stddev, worst, margin, tight = judged(target, values.dropna())
            holds = complete and margin >= 2
            passed &= bool(holds and tight)
            reached = "holds" if holds else "TOO NARROW" if complete else "MISSED"
            verdict = f"{reached}, {'tight' if tight else 'LOOSE'}"
            name_and_profile = f"{name} {profile}"
            numbers = (f"{number:.4g}" for number in (target.bound, mean, stddev, worst))
            sign = {"<=": "≤", ">=": "≥"}[target.op]
            rows.append((name_and_profile, f"{target.metric} {sign}", *numbers, f"{margin:.1f}", len(values), verdict))
            values_of[name_and_profile, target.metric] = (values - target.bound) / (stddev or 1)
            data[f"{name_and_profile} {target.metric}"] = values.tolist()
    differing = {}
    if whole:
        quick = pandas.concat([table for (_, profile), table in tables.items() if profile == "quick"])
        differing = {backend: differing_metrics(backend, quick) for backend in PLAN["quick"]["backend"].split(",")}
    passed &= not any(differing.values())

    def draw(figure):
        axes = figure.subplots()
        names = [" ".join(key) for key in values_of]
        for y, values in enumerate(values_of.values()):
            axes.plot(values, [y] * len(values), "o", color="#0072b2", alpha=0.4)
        axes.axvline(0, color="black", linewidth=1)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.invert_yaxis()
        axes.set_xlabel("distance to the bound, in standard deviations")

    header = (
        "",
        "target",
        "bound",
        "mean",
        "standard deviation",
        "worst",
        "margin in standard deviations",
        "runs",
        "verdict",
    )
    report = "matrix" if whole else "matrix-part"
    write_report(report, header, rows, {"values": data, "differing": differing}, draw, (7, 0.22 * len(rows) + 1))
    for backend, names in differing.items():
        print(f"{backend}: seed 0 again, two in parallel: " + (", ".join(names) or "exactly the same metrics"))
    sys.exit(not passed)


if __name__ == "__main__":
    main()
