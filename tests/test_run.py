"""`python -m aelib run` as a user meets it: what it leaves, what a notebook gets, how it ends early."""

import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import termios
import time
from contextlib import suppress
from importlib import metadata

import nbformat
import psutil
import pytest
from PIL import Image
from throwaway import Finished, add_pictures, check, make_series, run, start

# Every process that a notebook starts leaves its number in $PIDS; one of them is an orphan.
NOTE = """
import os, pathlib, subprocess, sys
code = "import os, pathlib, time; pathlib.Path(os.environ['PIDS'], str(os.getpid())).touch(); time.sleep(600)"
subprocess.run(["sh", "-c", '"$0" -c "$1" &', sys.executable, code])
pathlib.Path(os.environ["PIDS"], str(os.getpid())).touch()
pathlib.Path(os.environ["PIDS"], str(os.getppid())).touch()
while len(os.listdir(os.environ["PIDS"])) % 3:
    pass
print("so far")
"""
HANG = NOTE + "import time\nwhile True:\n    time.sleep(1)"
DEAF = NOTE + (
    "import signal, time\nfor number in (signal.SIGINT, signal.SIGTERM):\n"
    "    signal.signal(number, signal.SIG_IGN)\n"
    "while True:\n    try:\n        time.sleep(1)\n    except BaseException:\n        pass"
)
ENVIRONMENT = """
import os
names = ("KERAS_BACKEND", "PYTHONHASHSEED", "AELIB_DATA")
print({name: os.environ.get(name) for name in names}, os.path.basename(os.getcwd()))
print("got", profile, seed, rate, kind, fast)
open("litter", "w").close()
"""


@pytest.fixture
def pids(tmp_path):
    folder = tmp_path / "pids"
    folder.mkdir()
    return folder


def running(pids):
    found = [int(path.name) for path in pids.iterdir()]
    assert len(found) >= 3
    return [pid for pid in found if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def passed(tmp_path_factory):
    """A run of one of two notebooks, with every kind of parameter given."""
    folder = tmp_path_factory.mktemp("passed")
    series = make_series(folder / "series", {"one": [ENVIRONMENT, check()], "two": ["1 / 0"]})
    given = ["-p", "rate", "0.65", "-p", "kind", "odd", "-p", "fast", "true"]
    (folder / "data").mkdir()
    data = os.path.relpath(folder / "data")
    return run(series, folder / "new" / "out", "one.ipynb", "--profile", "quick", *given, AELIB_DATA=data)


def test_a_run_that_reaches_its_targets_exits_0_and_says_where_the_page_is(passed):
    assert passed.code == 0, passed.stderr
    line = next(line for line in passed.stdout.split("\n") if line.startswith("one"))
    assert line.split() == ["one", "error", "0.65", "≤", "0.7", "0.9", "yes"]
    assert passed.stdout.rstrip().endswith(str(passed.out / "index.html"))


def test_progress_is_on_stderr(passed):
    assert passed.stderr.startswith("one: begins\n") and "3 of 3 cells" in passed.stderr


def test_parameters_and_surroundings_reach_the_notebook(passed):
    outputs = [output for cell in passed.notebook("one").cells for output in cell.outputs]
    shown = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "got quick 7 0.65 odd True" in shown
    assert "'KERAS_BACKEND': 'tensorflow', 'PYTHONHASHSEED': '0', 'AELIB_DATA': '/" in shown
    assert passed["one"]["parameters"] == {
        "profile": "quick",
        "seed": 7,
        "rate": 0.65,
        "kind": "odd",
        "fast": True,
    }


def test_results_hold_the_run(passed):
    results = passed.results
    assert list(results) == [
        "schema",
        "run_id",
        "profile",
        "backend",
        "versions",
        "started",
        "seconds",
        "notebooks",
    ]
    assert (results["schema"], results["profile"], results["backend"]) == (
        "aelib.results/1",
        "quick",
        "tensorflow",
    )
    assert results["versions"]["papermill"] == metadata.version("papermill")
    (entry,) = results["notebooks"]
    assert (entry["name"], entry["status"], entry["cause"], entry["cell"]) == ("one", "passed", None, None)
    assert 0 < entry["seconds"] <= results["seconds"]
    assert entry["metrics"] == {"error": 0.65, "trivial": 0.9, "seed": 7.0}
    target = {"metric": "error", "op": "<=", "target": 0.7, "value": 0.65, "baseline": 0.9, "reached": True}
    assert entry["targets"] == [target]


def test_the_page_of_the_run_leads_to_the_notebook(passed):
    page = passed.page("index")
    assert "<h1>1 of 1 targets reached</h1>" in page and 'href="one.html"' in page
    assert '<tr><th scope="row">rate</th><td>0.65</td></tr>' in page
    assert (passed.out / "one.html").is_file() and (passed.out / "one.ipynb").is_file()
    assert not (passed.out / "two.html").exists()


def test_the_source_stays_as_it_was(passed):
    source = nbformat.read(passed.out.parents[1] / "series" / "one.ipynb", as_version=4)
    assert not any(cell.outputs for cell in source.cells)
    assert not (passed.out.parents[1] / "series" / "litter").exists()


def test_a_missed_target_exits_1(tmp_path):
    series = make_series(tmp_path / "series", {"one": [check("0.9")]})
    missed = run(series, tmp_path / "out")
    assert missed.code == 1
    assert "error = 0.9 missed its target <= 0.6 by 0.3" in missed.stdout
    assert missed["one"]["targets"][0]["reached"] is False


def test_a_further_notebook_runs_when_named_or_with_all_and_is_marked(tmp_path):
    series = make_series(tmp_path / "series", {"one": [check()], "further/more": [check()]})
    entry = '[[more.lecture]]\ntext = "A statement"\ncells = ["x"]\nshown = "it"\n'
    (series / "series.toml").write_text((series / "series.toml").read_text() + entry)
    for words, names in (([], ["one"]), (["more"], ["more"]), (["--all"], ["one", "more"])):
        done = run(series, tmp_path / "out", *words)
        assert done.code == 0, done.stderr
        assert [notebook["name"] for notebook in done.results["notebooks"]] == names
    index = done.page("index")
    assert '<h2 id="more">more (beyond the lecture)</h2>' in index and '<h2 id="one">one</h2>' in index
    assert '<th scope="row">(beyond the lecture) A statement</th>' in index
    assert "<title>more (beyond the lecture)</title>" in done.page("more") and 'href="more.html#x"' in index


def test_a_folder_of_own_pictures_is_found_and_not_published(tmp_path, monkeypatch):
    look = "import os\nfrom aelib import data\nprint(sorted(data.pictures(pictures)), 'in', pictures)"
    series = make_series(tmp_path / "series", {"one": [look, check()]})
    add_pictures(series, "one")
    (tmp_path / "Anna").mkdir()
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "Anna" / "holiday.png")
    monkeypatch.chdir(tmp_path)  # the path is relative to the folder of the run, not to that of the kernel
    done = run(series, tmp_path / "out", "-p", "pictures", "Anna")
    assert done.code == 0, done.stderr
    assert done["one"]["parameters"]["pictures"] == "…"
    assert "[&#x27;own 1&#x27;] in …" in done.page("one") or "['own 1'] in …" in done.page("one")
    for path in done.out.iterdir():
        assert not re.search("Anna|holiday", path.read_text(encoding="utf-8")), path.name


def test_a_notebook_ends_at_its_deadline_with_all_it_started(tmp_path, pids):
    series = make_series(tmp_path / "series", {"hangs": [HANG, check()], "deaf": [DEAF, check()]})
    begin = time.monotonic()
    ended = run(series, tmp_path / "out", "--deadline", 12, "--jobs", 2, PIDS=pids)
    assert time.monotonic() - begin < 12 + 10
    assert ended.code == 3 and len(os.listdir(pids)) == 6 and not running(pids)
    for name in ("hangs", "deaf"):
        entry = ended[name]
        assert (entry["status"], entry["cell"]) == ("timeout", 1)
        assert entry["cause"] == "the deadline of 12 s came in cell 1"
        assert "so far" in ended.page(name) and "<strong>timeout</strong>" in ended.page(name)
        assert [cell.metadata.papermill.status for cell in ended.notebook(name).cells] == [
            "completed",
            "completed",
            "failed",
            "pending",
        ]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_publishes_what_is_finished_and_leaves_no_process(tmp_path, pids, number, code):
    series = make_series(tmp_path / "series", {"one": [check()], "hangs": [DEAF, check()], "late": [check()]})
    process = start(series, "run", "--out", tmp_path / "out", PIDS=pids)
    wait_for(lambda: len(os.listdir(pids)) == 3)
    process.send_signal(number)
    ended = Finished(process, tmp_path / "out")
    assert ended.code == code and not running(pids)
    assert [entry["status"] for entry in ended.results["notebooks"]] == [
        "passed",
        "interrupted",
        "interrupted",
    ]
    assert ended["hangs"]["cell"] == 1 and number.name in ended["hangs"]["cause"]
    assert "<strong>passed</strong>" in ended.page("one") and "<strong>interrupted</strong>" in ended.page("hangs")
    assert not (ended.out / "late.html").exists() and 'href="late.html"' not in ended.page("index")


def test_a_killed_run_leaves_no_process_and_does_not_block_the_next(tmp_path, pids):
    series = make_series(tmp_path / "series", {"one": [check()], "hangs": [HANG]})
    out = tmp_path / "out"
    temporary = tmp_path / "t"
    temporary.mkdir()
    process = start(series, "run", "--out", out, PIDS=pids, TMPDIR=temporary)
    wait_for(lambda: len(os.listdir(pids)) >= 3)
    process.kill()
    process.communicate()
    wait_for(lambda: not running(pids) and not any(temporary.iterdir()), seconds=10)
    again = run(series, out, "one")
    assert again.code == 0
    assert {path.name for path in out.iterdir()} == {
        *("one.ipynb", "one.html", "index.html", "results.json", "history.json", "junit.xml", ".aelib-run.lock")
    }


@pytest.mark.parametrize(("deep", "transport"), [("t", "ipc"), ("t" * 80, "tcp")])
def test_kernels_do_not_race_for_ports_and_leave_nothing_in_the_temporary_folder(tmp_path, deep, transport):
    """Ports only where a path would be too long for a socket."""
    look = "import json\nfrom ipykernel.connect import get_connection_info\n"
    look += "print('transport', json.loads(get_connection_info())['transport'])"
    # Not in tmp_path: that is too long for a socket where many tests run at once.
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as base:
        folder = os.path.join(base, deep)
        os.mkdir(folder)
        ended = run(make_series(tmp_path / "n", {"one": [look, check()]}), tmp_path / "out", TMPDIR=folder)
        assert ended.code == 0, ended.stderr
        assert f"transport {transport}" in ended.page("one")
        assert os.listdir(folder) == []


def test_a_terminal_sees_a_bar(tmp_path):
    series = make_series(tmp_path / "series", {"one": [check()]})
    terminal, side = pty.openpty()
    termios.tcsetwinsize(side, (24, 80))
    arguments = [sys.executable, "-m", "aelib", "run", "--out", tmp_path / "out"]
    environment = {**os.environ, "AELIB_NOTEBOOKS": str(series)}
    with subprocess.Popen(arguments, env=environment, stderr=side, stdout=subprocess.DEVNULL):
        os.close(side)
        seen = ""
        # The terminal of a process that has ended is an error to read from, on Linux.
        with suppress(OSError):
            while chunk := os.read(terminal, 10_000):
                seen += chunk.decode(errors="replace")
    assert re.search(r"one 2/2: 100%\|.*2/2", seen), seen
