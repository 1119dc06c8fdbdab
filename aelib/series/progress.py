"""Show on stderr how far a run is; stdout is for the verdict."""

import sys
from time import monotonic

from tqdm import tqdm

from aelib import _terminal


class Progress(tqdm):
    """Progress on stderr: a bar on a terminal, a few lines in a log, a line for every cell if that was asked for."""

    def __init__(self, total_cells: int):
        super().__init__(total=total_cells, unit="cell", file=sys.stderr, leave=False, disable=None)
        self._latest: dict[str, float] = {}  # notebook: when its latest cell was done, in seconds

    def begin(self, name: str):
        """Show that a notebook begins."""
        self._latest[name] = monotonic()
        self.write(f"{name}: begins", sys.stderr)

    def cell(self, name: str, done: int, total: int):
        """Show that `done` of the `total` cells of a notebook are done."""
        now = monotonic()
        seconds, self._latest[name] = now - self._latest[name], now
        self.set_description(f"{name} {done}/{total}", refresh=False)
        self.update()
        if _terminal.verbosity == "verbose":
            kernel = ", with the start of the kernel" if done == 1 else ""
            self.write(f"{name}: cell {done} of {total} in {seconds:.1f} s{kernel}", sys.stderr)
        # A log is not flooded: a line at each quarter of a notebook.
        elif self.disable and done * 4 // total != (done - 1) * 4 // total:
            self.write(f"{name}: {done} of {total} cells", sys.stderr)

    def end(self, name: str, status: str, seconds: float):
        """Show that a notebook has ended."""
        self.write(f"{name}: {_terminal.paint(status, err=True)} in {seconds:.0f} s", sys.stderr)
