"""Published files are whole, the old or the new, and a folder belongs to one run at a time."""

import os
import signal
import subprocess
import sys

import pytest

from aelib import _files as files
from aelib.series.spec import UsageError


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    files.write_atomically(tmp_path / "page.html", "old")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space"):
        files.write_atomically(tmp_path / "page.html", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text() == "old"


def test_a_written_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").write_text("")
    files.write_atomically(tmp_path / "page.html", "new")
    assert (tmp_path / "page.html").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_killed_run_neither_blocks_the_folder_nor_leaves_parts_in_it(tmp_path):
    code = (
        "import sys, time\nfrom aelib import _files as files\n"
        "with files.output_folder(sys.argv[1]) as folder, files.scratch_folder(folder):\n"
        "    (folder / (files.PART + 'x')).write_text('half')\n"
        "    print('ready', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(UsageError, match=f"in use by the run of process {process.pid}"):
            files.output_folder(tmp_path).__enter__()
        process.send_signal(signal.SIGKILL)
    (tmp_path / "mine.html").write_text("not of a run")
    with files.output_folder(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {files.LOCK, "mine.html"}
