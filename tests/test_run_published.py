"""What lies under --out is whole, the old or the new, whatever ends a run: a kill, a full disk, another run."""

import json
import random
import shutil
import subprocess
import sys
import time
from xml.etree import ElementTree

import pytest
from needs import missing
from throwaway import Finished, check, make_series, run, start

PUBLISHED = {"one.ipynb", "one.html", "index.html", "results.json", "history.json", "junit.xml"}
DRAW = "import numpy as np\nrandom = np.random.default_rng(seed)\nrate = float(random.random(10_000).mean())"


def assert_whole(out):
    """Every published file is there and complete; returns the run that each of the three for machines tells of."""
    found = {path.name: path.read_text(encoding="utf-8") for path in out.iterdir() if not path.name.startswith(".")}
    assert set(found) == PUBLISHED
    assert json.loads(found["one.ipynb"])["cells"]
    assert ElementTree.fromstring(found["junit.xml"]).tag == "testsuites"
    assert found["one.html"].rstrip().endswith("</html>") and found["index.html"].rstrip().endswith("</html>")
    return json.loads(found["results.json"])["run_id"], [
        one["run_id"] for one in json.loads(found["history.json"])["runs"]
    ]


@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.weekly)])
def test_a_run_killed_at_random_moments_leaves_the_old_or_the_new_files(tmp_path, kills):
    series = make_series(tmp_path / "series", {"one": ["print('text' * 1000)", check()]})
    out = tmp_path / "out"
    begin = time.monotonic()
    assert run(series, out).code == 0
    alone = time.monotonic() - begin
    draw = random.Random(0)
    ended = 0
    for _ in range(kills):
        before = (out / "results.json").read_text(encoding="utf-8")
        process = start(series, "run", "--out", out)
        # Half of the moments lie where the files are written, near the end.
        time.sleep(alone * (draw.uniform(0.1, 0.8) if draw.random() < 0.5 else draw.uniform(0.8, 1.1)))
        process.kill()
        process.communicate()
        run_id, runs = assert_whole(out)
        assert run_id in runs
        ended += (out / "results.json").read_text(encoding="utf-8") != before
    assert ended < kills, "no run was killed before its end"
    assert run(series, out).code == 0
    assert {path.name for path in out.iterdir()} == {*PUBLISHED, ".aelib-run.lock"}


SMALL_DISK = """
set -e
mount -t tmpfs -o size="$1"k none "$2"
cp -r "$3"/. "$2"
set +e
"$4" -m aelib run --out "$2"
code=$?
find "$2" -maxdepth 1 -name '[a-z]*' -exec cp {} "$5" ';'
exit $code
"""


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A series, and the folder of its first run."""
    folder = tmp_path_factory.mktemp("disk")
    series = make_series(folder / "series", {"one": ["print('text' * 3000)", check()]})
    assert run(series, folder / "out").code == 0
    return series, folder / "out"


@pytest.mark.parametrize("free", [0, 8, 24, 4000])
def test_a_full_disk_leaves_the_old_or_the_new_files(before, tmp_path, free):
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"], capture_output=True).returncode:
        missing("small-disk", "unshare is not there or not allowed")
    series, out = before
    used = sum(-(-path.stat().st_size // 4096) * 4 + 4 for path in out.iterdir())
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    kept.mkdir()
    arguments = ["sh", "-c", SMALL_DISK, "sh", str(used + free), disk, out, sys.executable, kept]
    ended = Finished(start(series, *arguments, before=namespace), kept)
    old = json.loads((out / "results.json").read_text(encoding="utf-8"))["run_id"]
    run_id, _ = assert_whole(kept)
    assert "Traceback" not in ended.stderr
    if ended.code == 0:
        assert run_id != old and free > 0
    else:
        # Refused before anything was started, or ended while it ran: never "a target was missed", nor "all is well".
        assert ended.code in (2, 3) and run_id == old and free < 4000
        assert "No space left on device" in ended.stderr


def test_a_second_run_into_the_same_folder_refuses_at_once_and_names_the_first(tmp_path):
    series = make_series(tmp_path / "series", {"one": ["import time\ntime.sleep(6)", check()]})
    out = tmp_path / "out"
    first = start(series, "run", "--out", out)
    lock = out / ".aelib-run.lock"
    while not (lock.exists() and lock.read_text()):
        time.sleep(0.05)
    begin = time.monotonic()
    second = start(series, "run", "--out", out)
    said = second.communicate(timeout=60)[1]
    assert second.returncode == 2 and f"is in use by the run of process {first.pid}, started" in said
    assert said.count("\n") == 1 and time.monotonic() - begin < 5
    assert Finished(first, out).code == 0


def test_eight_runs_at_once_measure_what_one_alone_does(tmp_path):
    series = make_series(tmp_path / "series", {"one": [DRAW, check()]})
    alone = run(series, tmp_path / "alone", "-p", "seed", 3)
    begun = [
        (start(series, "run", "--out", out, "-p", "seed", 3), out) for out in (tmp_path / str(n) for n in range(8))
    ]
    ended = [Finished(process, out) for process, out in begun]
    assert [one.code for one in (alone, *ended)] == [0] * 9
    assert [one["one"]["metrics"] for one in ended] == [alone["one"]["metrics"]] * 8
    other = run(series, tmp_path / "other", "-p", "seed", 4)
    assert other["one"]["metrics"] != alone["one"]["metrics"]
