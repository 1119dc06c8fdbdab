"""`python -m aelib sweep` as a user meets it: a table of every point, whatever happens to some of them."""

import json
import os
import re
import signal
import sys
import time
from contextlib import suppress
from types import SimpleNamespace

import pandas
import psutil
import pytest
from throwaway import Finished, check, make_series, start

from aelib.series.sweep import plan
from aelib.series.sweep_table import summary

# A point of rate 3 fails, one above 0.6 misses its target; each execution leaves a file in $SEEN.
NOTED = """
import os, pathlib, time, uuid
pathlib.Path(os.environ["SEEN"], f"{seed}-{rate}-{uuid.uuid4().hex}").touch()
time.sleep(0.3)
if rate == 3:
    raise RuntimeError("three is too much")
"""


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return make_series(tmp_path_factory.mktemp("sweep") / "series", {"one": [NOTED, check("rate + seed / 1000")]})


@pytest.fixture
def seen(tmp_path):
    folder = tmp_path / "seen"
    folder.mkdir()
    return folder


def sweep(series, out, seen, *arguments, **environment):
    return Finished(start(series, "sweep", "one", "--out", out, *arguments, SEEN=seen, **environment), out)


def table(out):
    frame = pandas.read_csv(out / "one.csv")
    frame["cause"] = ["" if isinstance(cause, float) else cause for cause in frame["cause"]]
    pandas.testing.assert_frame_equal(frame, pandas.read_parquet(out / "one.parquet"), check_dtype=False)
    return frame


def test_a_grid_gives_a_row_per_point_and_a_failing_point_is_a_row_with_its_cause(series, tmp_path, seen):
    out = tmp_path / "out"
    done = sweep(series, out, seen, "--grid", "rate=0.5,0.65,3", "--grid", "seed=0..1", "--workers", 2, "-v")
    assert done.code == 3, done.stderr
    frame = table(out)
    assert list(zip(frame["rate"], frame["seed"], strict=True)) == [
        (rate, seed) for rate in (0.5, 0.65, 3) for seed in (0, 1)
    ]
    assert list(frame["status"]) == ["passed"] * 2 + ["missed"] * 2 + ["failed"] * 2
    assert list(frame["metric.error"])[:4] == pytest.approx([0.5, 0.501, 0.65, 0.651])
    assert frame["cause"].iloc[5] == "cell 1 raised RuntimeError: three is too much"
    assert "RuntimeError: three is too much" in done.stdout
    assert done.stderr.count("of 6: ") == 6
    assert re.search(r"of 6: rate=0.65 seed=1 missed in [0-9]+ s: .*; error 0.651; trivial 0.9; seed 1\n", done.stderr)
    assert (out / "one.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in out.iterdir()} == {
        "one.csv", "one.parquet", "one.png", ".points", ".aelib-run.lock",
    }  # fmt: skip


def test_what_was_done_is_not_done_again_and_what_failed_is(series, tmp_path, seen):
    out = tmp_path / "out"
    assert sweep(series, out, seen, "--grid", "rate=0.5,3").code == 3
    again = sweep(series, out, seen, "--grid", "rate=0.4,0.5,0.65,3")
    assert again.code == 3
    counts = {rate: len(list(seen.glob(f"0-{rate}-*"))) for rate in (0.4, 0.5, 0.65, 3.0)}
    assert counts == {0.4: 1, 0.5: 1, 0.65: 1, 3.0: 2}
    assert "1 of 4 points were done before" in again.stderr
    assert len(table(out)) == 4


def test_of_many_points_the_terminal_shows_those_that_did_not_pass():
    varied = [{"seed": str(seed)} for seed in range(100)]
    rows = [{"status": "passed", "seconds": 1, "cause": ""} for _ in varied]
    assert summary(rows, varied) == "100 passed"
    rows[70] = {"status": "missed", "seconds": 1, "cause": "too high"}
    shown = summary(rows, varied).splitlines()
    assert len(shown) == 5
    assert shown[2].split() == ["70", "missed", "1", "s", "too", "high"] and shown[-1] == "99 passed, 1 missed"


def test_a_grid_may_name_a_parameter_as_it_was_called_before(tmp_path, monkeypatch):
    settings = make_series(tmp_path, {"one": [check()]}) / "series.toml"
    settings.write_text(settings.read_text().replace("rate = {", 'rate = { formerly = "speed",'))
    monkeypatch.setenv("AELIB_NOTEBOOKS", str(tmp_path))
    _, points = plan("one", ["speed=0.5,0.65"], "quick", "tensorflow", [])
    assert [point.grid_values for point in points] == [{"rate": "0.5"}, {"rate": "0.65"}]
    assert [point.parameters["rate"] for point in points] == [0.5, 0.65]


def test_an_edited_notebook_is_executed_again(tmp_path, seen):
    out = tmp_path / "out"
    series = make_series(tmp_path / "series", {"one": [NOTED, check()]})
    assert sweep(series, out, seen, "--grid", "rate=0.5").code == 0
    make_series(tmp_path / "series", {"one": [NOTED, check("rate + 0.25")]})
    assert sweep(series, out, seen, "--grid", "rate=0.5").code == 1
    assert list(table(out)["metric.error"]) == [0.75]


def test_what_is_kept_is_judged_by_the_targets_of_today(tmp_path, seen):
    out = tmp_path / "out"
    series = make_series(tmp_path / "series", {"one": [NOTED, check()]})
    assert sweep(series, out, seen, "--grid", "rate=0.5").code == 0
    settings = series / "series.toml"
    settings.write_text(settings.read_text().replace("at_most = 0.6,", "at_most = 0.4,"))
    assert sweep(series, out, seen, "--grid", "rate=0.5").code == 1
    assert list(table(out)["cause"]) == ["error = 0.5 missed its target <= 0.4 by 0.1"]
    assert len(list(seen.iterdir())) == 1


def test_the_numbers_are_those_of_runs_one_after_another(series, tmp_path, seen):
    sweep(series, tmp_path / "sweep", seen, "--grid", "seed=3,4", "--workers", 2)
    for seed, value in zip((3, 4), table(tmp_path / "sweep")["metric.error"], strict=True):
        one = Finished(start(series, "run", "--out", tmp_path / "run", "-p", "seed", seed, SEEN=seen), tmp_path / "run")
        assert one["one"]["metrics"]["error"] == value


def workers_of(process):
    found = psutil.Process(process.pid).children(recursive=True)
    with suppress(psutil.Error):
        return [one for one in found if "aelib.series.worker" in " ".join(one.cmdline())]
    return []


def wait_for(condition, process, seconds=180):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_worker_killed_mid_run_loses_nothing_and_publishes_nothing_twice(series, tmp_path, seen):
    out = tmp_path / "out"
    process = start(series, "sweep", "one", "--out", out, "--grid", "seed=0..7", "--workers", 2, SEEN=seen)
    wait_for(lambda: len(list(seen.iterdir())) >= 3, process)
    victims = workers_of(process)
    assert victims
    victims[0].kill()
    done = Finished(process, out)
    assert done.code == 0, done.stderr
    assert list(table(out)["seed"]) == list(range(8))
    assert len(list((out / ".points").iterdir())) == 8
    assert done.stderr.count(" of 8: ") == 8
    assert len(list(seen.iterdir())) >= 8


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.weekly)])
def test_an_interrupted_sweep_goes_on_where_it_was_and_leaves_no_process(series, tmp_path, seen, number):
    out = tmp_path / "out"
    process = start(series, "sweep", "one", "--out", out, "--grid", "seed=0..5", "--workers", 1, SEEN=seen)
    wait_for(lambda: len(list(seen.iterdir())) >= 3, process)
    family = psutil.Process(process.pid).children(recursive=True)
    # Ctrl-C at a terminal reaches every process of the group.
    for one in family if number == signal.SIGINT else []:
        with suppress(psutil.Error, OSError):
            if os.getpgid(one.pid) == os.getpgid(process.pid):
                one.send_signal(number)
    process.send_signal(number)
    done = Finished(process, out)
    assert done.code == 130
    assert "Traceback" not in done.stderr
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    kept = len(list((out / ".points").iterdir()))
    assert kept >= 1
    assert not (out / "one.csv").exists()
    before = len(list(seen.iterdir()))
    assert sweep(series, out, seen, "--grid", "seed=0..5").code == 0
    assert len(list(seen.iterdir())) == before + 6 - kept


@pytest.fixture
def cluster(tmp_path):
    """A Dask scheduler: its process, its address, and a function that starts a worker with a series."""
    file, processes = tmp_path / "scheduler.json", []

    def begin(series, module, *arguments, **environment):
        command = ("-m", f"distributed.cli.{module}", *arguments, "--no-dashboard")
        processes.append(start(series, *command, before=[sys.executable], **environment))
        return processes[-1]

    scheduler = begin(tmp_path, "dask_scheduler", "--port", "0", "--scheduler-file", file)
    try:
        wait_for(file.exists, scheduler)
        address = json.loads(file.read_text())["address"]

        def add_worker(series, seen):
            begin(series, "dask_worker", address, "--local-directory", tmp_path / "worker", SEEN=seen)

        yield SimpleNamespace(process=scheduler, address=address, add_worker=add_worker)
    finally:
        for process in processes:
            process.terminate()
            process.communicate()


def sweep_once_there_is_a_worker(*arguments, **environment):
    end = time.monotonic() + 60
    while "has no worker" in (done := sweep(*arguments, **environment)).stderr:
        assert time.monotonic() < end
    return done


def test_a_scheduler_that_exists_is_used(series, tmp_path, seen, cluster):
    asked = ("--grid", "seed=1", "--scheduler", cluster.address)
    empty = sweep(series, tmp_path / "empty", seen, *asked)
    assert (empty.code, empty.stderr) == (2, f"error: the scheduler at {cluster.address} has no worker\n")
    cluster.add_worker(series, seen)
    done = sweep_once_there_is_a_worker(series, tmp_path, seen, *asked)
    assert done.code == 0, done.stderr
    # A worker with other notebooks computes something else: that is a row, not a number.
    other = make_series(tmp_path / "other", {"one": [NOTED, check("0.1")]})
    differs = sweep(other, tmp_path / "differs", seen, *asked)
    assert differs.code == 3
    assert "this worker has another one" in table(tmp_path / "differs")["cause"].iloc[0]
    # Lost in the middle: one line, no table, and what was done is kept.
    before = len(list(seen.iterdir()))
    out = tmp_path / "lost"
    lost = start(series, "sweep", "one", "--out", out, "--grid", "seed=0..19", "--scheduler", cluster.address)
    wait_for(lambda: len(list(seen.iterdir())) >= before + 3, lost)
    cluster.process.kill()
    lost = Finished(lost, out)
    assert lost.code == 3 and lost.stdout == ""
    error = f"error: the scheduler at {cluster.address} was lost; ask again to go on with what is left\n"
    assert lost.stderr.endswith(error) and "Traceback" not in lost.stderr
    assert [path.name for path in out.iterdir() if not path.name.startswith(".")] == []
    assert len(list((out / ".points").iterdir())) >= 1


# Personal configuration

# Of somebody who uses Dask for other work, each of which would end a sweep on a plain cluster, or a local one.
DASK_SETTINGS = """
distributed:
  comm: {require-encryption: true, default-scheme: tls, timeouts: {connect: nonsense}}
  client: {heartbeat: nonsense}
  worker: {memory: {terminate: 0.000001}}
  nanny: {pre-spawn-environ: {OMP_NUM_THREADS: 1, SEEN: /nowhere}}
"""
DASK_VARIABLES = {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True", "DASK_DISTRIBUTED__CLIENT__HEARTBEAT": "no"}


@pytest.fixture
def personal(tmp_path):
    """Environments with a configuration of Dask: in the home folder, broken, in variables, in a folder of one's own."""
    home, broken, other = (tmp_path / name for name in ("home", "broken", "other"))
    for folder, text in ((home / ".config" / "dask", DASK_SETTINGS), (broken / ".config" / "dask", "a: [\n")):
        folder.mkdir(parents=True)
        (folder / "mine.yaml").write_text(text)
    other.mkdir()
    (other / "broken.yaml").write_text("a: [\n")
    return {
        "settings": {"HOME": home},
        "broken": {"HOME": broken},
        "variables": DASK_VARIABLES,
        "folder": {"DASK_CONFIG": other},
        "system": {"DASK_ROOT_CONFIG": other},
    }


def test_a_sweep_on_this_machine_is_that_of_a_user_without_configuration(series, tmp_path, seen, personal):
    (tmp_path / "matplotlibrc").write_text("text.usetex: true\nfont.family: cursive\n")
    environment = {key: value for one in personal.values() for key, value in one.items()}
    done = sweep(series, tmp_path / "out", seen, "--grid", "seed=1", **environment, MATPLOTLIBRC=tmp_path)
    assert (done.code, done.stderr.count("\n")) == (0, 1), done.stderr


def test_a_cluster_is_reached_whatever_is_configured_for_dask(series, tmp_path, seen, cluster, personal):
    for name, environment in personal.items():
        done = sweep(series, tmp_path / "out", seen, "--grid", "seed=1", "--scheduler", cluster.address, **environment)
        assert (name, done.stderr) == (name, f"error: the scheduler at {cluster.address} has no worker\n")
    # The certificates of an encrypted scheduler are in the configuration, so there it is read.
    encrypted = ("--grid", "seed=1", "--scheduler", "tls://127.0.0.1:1")
    done = sweep(series, tmp_path / "out", seen, *encrypted, **personal["broken"])
    assert (done.code, done.stderr.count("\n")) == (2, 1)
    assert "mine.yaml" in done.stderr


def test_a_notebook_on_a_cluster_gets_as_many_threads_as_in_a_run(tmp_path, seen, cluster):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # Dask sets them to 1 for its workers
    count = f"sum(name in os.environ for name in {names}) / 100"
    series = make_series(tmp_path / "series", {"one": [NOTED, check(count)]})
    cluster.add_worker(series, seen)
    asked = ("--grid", "seed=1", "--scheduler", cluster.address)
    assert sweep_once_there_is_a_worker(series, tmp_path / "out", seen, *asked).code == 0
    run = Finished(start(series, "run", "--out", tmp_path / "run", SEEN=seen), tmp_path / "run")
    assert list(table(tmp_path / "out")["metric.error"]) == [run["one"]["metrics"]["error"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--grid", "seed"], "--grid must be NAME=V1,V2,...; received 'seed'"),
        (["--grid", "seed=1,,2"], "--grid seed has an empty value"),
        (["--grid", "seed=3..1"], "--grid seed: 3..1 must go upwards"),
        (["--grid", "seed=1", "--grid", "seed=2"], "--grid seed is given twice"),
        (["--grid", "seed=1", "-p", "seed", "2"], "parameter seed is given by --grid and by -p"),
        (["--grid", "seed=1,101"], "parameter seed must be a whole number at least 0 and at most 100; received '101'"),
        (["--grid", "speed=1"], "no parameter 'speed' in one"),
        (["--grid", "backend=tensorflow,theano"], "backend must be one of tensorflow, jax, torch; received 'theano'"),
        (["--grid", "seed=0..9", "--grid", "rate=1..999999"], "points; 1,000,000 at most"),
        (["--grid", "seed=1", "--workers", "2", "--scheduler", "tcp://x"], "cannot be used together"),
        (["--grid", "seed=1", "--scheduler", "nonsense://x"], "no scheduler at nonsense://x"),
        (["--grid", "seed=1", "--deadline", "inf"], "--deadline must be a finite number of seconds; received inf"),
        ([], "Missing option '--grid'"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_executed(series, tmp_path, seen, arguments, words):
    done = sweep(series, tmp_path / "out", seen, *arguments)
    assert done.code == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(seen.iterdir())
