"""Find and kill every process that a notebook started."""

import time
from contextlib import suppress

import psutil

TOKEN = "AELIB_WORKER"  # environment variable by which a child is found after its parents are gone


def process_tree(pid: int, token: str | None) -> set[psutil.Process]:
    """Return the processes below pid and those that carry the token, whoever their parent is by now, without pid."""
    tree = set()
    with suppress(psutil.Error):
        tree.update(psutil.Process(pid).children(recursive=True))
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if token and process.environ().get(TOKEN) == token:
                tree.add(process)
    return {process for process in tree if process.pid != pid and _is_alive(process)}


def kill_process_tree(pid: int, token: str | None, *, seconds: float = 3.0):
    """Kill the process tree, and again whatever it started meanwhile, until none is left or the time is over."""
    end = time.monotonic() + seconds
    while (tree := process_tree(pid, token)) and time.monotonic() < end:
        for process in tree:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(tree, timeout=0.2)


def _is_alive(process):
    with suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE
    return False
