"""A process and a token in; every process that a notebook started, found and ended."""

import time
from contextlib import suppress

import psutil

TOKEN = "AELIB_WORKER"  # environment variable by which a child is found after its parents are gone


def family(pid, token):
    """The processes below pid and those that carry the token, whoever their parent is by now, without pid."""
    found = set()
    with suppress(psutil.Error):
        found.update(psutil.Process(pid).children(recursive=True))
    for process in psutil.process_iter():
        try:
            if token and process.environ().get(TOKEN) == token:
                found.add(process)
        except (psutil.Error, OSError):
            continue
    return {process for process in found if process.pid != pid and _alive(process)}


def end_family(pid, token, *, seconds=3.0):
    """Kill the family, and again whatever it started meanwhile, until none is left or the time is over."""
    end = time.monotonic() + seconds
    while (processes := family(pid, token)) and time.monotonic() < end:
        for process in processes:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, timeout=0.2)


def _alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
