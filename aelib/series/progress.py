"""Show on stderr how far a run is: a bar on a terminal, a few lines in a log. stdout is for the verdict."""

import sys
from threading import Lock
from time import monotonic

from tqdm import tqdm

from aelib import _terminal


class Progress:
    """How far a run is. total: cells to execute in all notebooks together. Safe to call from threads.

    With _terminal.verbosity "verbose" there is a line for every cell.
    """

    def __init__(self, total):
        self._lock = Lock()
        self._done, self._total = 0, total
        self._since = {}  # notebook: when its latest cell was done, in seconds
        self._verbose = _terminal.verbosity == "verbose"
        terminal = sys.stderr.isatty()
        self._bar = tqdm(total=total, unit="cell", file=sys.stderr, leave=False) if terminal else None

    def begin(self, name):
        """Note that a notebook begins."""
        self._since[name] = monotonic()
        self._say(f"{name}: begins")

    def cell(self, name, done, of):
        """Note that a cell of a notebook is done: the `done`th of `of`."""
        now = monotonic()
        with self._lock:
            seconds, self._since[name] = now - self._since.get(name, now), now
            self._done += 1
            if self._bar is not None:
                self._bar.set_description(f"{name} {done}/{of}", refresh=False)
                self._bar.update()
        if self._verbose:
            kernel = ", with the start of the kernel" if done == 1 else ""
            self._say(f"{name}: cell {done} of {of} in {seconds:.1f} s{kernel}")
        # A log is not flooded: a line at each quarter of a notebook.
        elif self._bar is None and done * 4 // of != (done - 1) * 4 // of:
            self._say(f"{name}: {done} of {of} cells, {self._done} of {self._total} in all")

    def end(self, name, status, seconds):
        """Note that a notebook has ended."""
        self._say(f"{name}: {_terminal.paint(status, err=True)} in {seconds:.0f} s")

    def close(self):
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()

    def _say(self, line):
        with self._lock:
            if self._bar is None:
                print(line, file=sys.stderr, flush=True)
            else:
                self._bar.write(line, file=sys.stderr)
