"""Give the grader access to what a submission defines, while its code stays in a sandbox."""

from collections.abc import Iterable
from time import monotonic
from typing import Any

from aelib.classroom.sandbox import Limits, Sandbox, SandboxTerminated, StudentError


class StudentNamespace:
    """The names that a submission's cells define; its process is started again whenever it has ended.

    `cells` are pairs (label, source), with the set-up of the assignment first. The time limit covers everything that
    the submission does. A single step gets half of the time left, so that an endless loop leaves time for other tasks.
    """

    def __init__(self, cells: list[tuple[str, str]], limits: Limits):
        self._cells, self._limits = cells, limits
        self._end = monotonic() + limits.seconds
        self._sandbox: Sandbox | None = None
        self._failures: dict[str, str] = {}  # label of a cell: why it failed
        self._fatal_cells: set[str] = set()  # labels of the cells that ended their process; they are not run again

    @property
    def failures(self) -> list[str]:
        """Which cells failed, and why."""
        return [f"{label}: {reason}" for label, reason in self._failures.items()]

    def lookup(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the values of those names that are defined, a RemoteObject in place of each that is not plain.

        Raises SandboxTerminated if there is no time left, or the process ends.
        """
        while self._sandbox is None or self._sandbox.closed:
            self._run_cells()
        values = self._sandbox.request("lookup", names=list(names))
        return {name: values[name] for name in names if name in values} if type(values) is dict else {}

    def close(self) -> None:
        """End the process; the next `lookup` starts another."""
        if self._sandbox is not None:
            self._sandbox.close()

    def _run_cells(self):
        """Run the cells in a new process, until one of them ends it."""
        if monotonic() >= self._end:
            raise SandboxTerminated("the time for this submission is used up")
        self._sandbox = Sandbox(self._limits, self._end)
        for label, source in self._cells:
            if label in self._fatal_cells:
                continue
            try:
                self._sandbox.request("run", source=source)
                self._failures.pop(label, None)
            except StudentError as error:
                self._failures[label] = str(error)
                if self._sandbox.closed:
                    self._fatal_cells.add(label)
                    return
