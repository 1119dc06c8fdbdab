"""Cells done in; a bar on a terminal or a few lines in a log out, on stderr: stdout is for the verdict."""

import sys
from threading import Lock

from tqdm import tqdm


class Progress:
    """How far a run is. total: cells to execute in all notebooks together. Safe to call from threads."""

    def __init__(self, total):
        self._lock = Lock()
        self._done, self._total = 0, total
        terminal = sys.stderr.isatty()
        self._bar = tqdm(total=total, unit="cell", file=sys.stderr, leave=False) if terminal else None

    def begin(self, name):
        """A notebook begins."""
        self._say(f"{name}: begins")

    def cell(self, name, done, of):
        """A cell of a notebook is done: the `done`th of `of`."""
        with self._lock:
            self._done += 1
            if self._bar is not None:
                self._bar.set_description(f"{name} {done}/{of}", refresh=False)
                self._bar.update()
        # A log is not flooded: a line at each quarter of a notebook.
        if self._bar is None and done * 4 // of != (done - 1) * 4 // of:
            self._say(f"{name}: {done} of {of} cells, {self._done} of {self._total} in all")

    def end(self, name, status, seconds):
        """A notebook has ended."""
        self._say(f"{name}: {status} in {seconds:.0f} s")

    def close(self):
        if self._bar is not None:
            self._bar.close()

    def _say(self, line):
        with self._lock:
            if self._bar is None:
                print(line, file=sys.stderr, flush=True)
            else:
                self._bar.write(line, file=sys.stderr)
