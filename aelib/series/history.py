"""The runs that were published under one folder in; history.json out, from which the report shows drift."""

import json
from pathlib import Path

from aelib.series.spec import UsageError

SCHEMA = "aelib.history/1"
NAME = "history.json"
KEPT = 1000  # runs; of older ones the oldest go first
FIELDS = {"run_id": str, "profile": str, "backend": str, "versions": dict, "started": str, "seconds": (int, float)}


def read(folder):
    """The earlier runs of a folder, the oldest first; raises UsageError where its history cannot be read."""
    path = Path(folder) / NAME
    try:
        history = json.loads(path.read_text(encoding="utf-8"))
        if history["schema"] != SCHEMA:
            raise ValueError
        runs = [_checked(run) for run in history["runs"]]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError):
        raise UsageError(f"{path} is not a history of runs; move it away, or choose another --out") from None
    return runs


def entry(results):
    """What is kept of a run: its results.json without what the notebook's source says anyway."""
    notebooks = [
        {key: notebook[key] for key in ("name", "status", "seconds", "parameters", "metrics")}
        for notebook in results["notebooks"]
    ]
    return {key: results[key] for key in FIELDS} | {"notebooks": notebooks}


def text(runs):
    """The text of history.json."""
    return json.dumps({"schema": SCHEMA, "runs": runs[-KEPT:]}, indent=1, allow_nan=False) + "\n"


def of_notebook(runs, name):
    """[(run, its entry for the notebook)], the oldest first, of the runs that executed it."""
    return [(run, one) for run in runs for one in run["notebooks"] if one["name"] == name]


def comparable(runs, name, metric):
    """The finite values of a metric in the runs that were asked the same as the last one: [number], oldest first."""
    found = of_notebook(runs, name)
    asked = [(run["profile"], run["backend"], one["parameters"]) for run, one in found]
    return [
        one["metrics"][metric]
        for (_, one), same in zip(found, asked, strict=True)
        if same == asked[-1] and metric in one["metrics"]
    ]


def _checked(run):
    if not all(isinstance(run[key], kind) for key, kind in FIELDS.items()):
        raise ValueError
    for one in run["notebooks"]:
        if not (
            isinstance(one["name"], str) and isinstance(one["metrics"], dict) and isinstance(one["parameters"], dict)
        ):
            raise ValueError
        if not all(type(value) in (int, float) for value in one["metrics"].values()) or not isinstance(
            one["status"], str
        ):
            raise ValueError
    return run
