"""A submission's code and limits in; its functions out as stand-ins that compute inside the sandbox, values outside."""

from time import monotonic

from aelib.classroom.sandbox import Ended, Sandbox, StudentError
from aelib.classroom.wire import Handle


class Remote:
    """Stands for an object of the student's: it can be called and has attributes; nothing else of it is believed."""

    __slots__ = ("_ask", "_handle")

    def __init__(self, ask, handle):
        object.__setattr__(self, "_ask", ask)
        object.__setattr__(self, "_handle", handle)

    def __call__(self, *args, **kwargs):
        args = tuple(_handles(one) for one in args)
        kwargs = {name: _handles(one) for name, one in kwargs.items()}
        return self._ask({"do": "call", "of": self._handle, "args": args, "kwargs": kwargs})

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return self._ask({"do": "attribute", "of": self._handle, "name": name})

    def __setattr__(self, name, value):
        raise AttributeError(f"{name} of a student's object cannot be set")

    def __repr__(self):
        return "an object of the submission"


class Student:
    """The namespace that a submission's cells leave behind, however often its process must be begun anew.

    cells: [(what to call it, source)], the assignment's own set-up first. seconds: for all that this submission does;
    no single step gets more than half of what is left, so that one endless loop leaves time for the other tasks.
    """

    def __init__(self, cells, *, seconds, memory, trusted=False):
        self.cells, self.memory, self.trusted = cells, memory, trusted
        self.end = monotonic() + seconds
        self.troubles = {}  # what a cell is called: what went wrong with it
        self.left_out = set()  # cells that ended their process
        self.sandbox = None
        self.printed = ""

    @property
    def remarks(self):
        """What went wrong with its cells, a line each."""
        return [f"{what}: {trouble}" for what, trouble in self.troubles.items()]

    def stand_ins(self, names):
        """{name: value or Remote} of those names that the cells defined; raises Ended."""
        self._begin()
        found = self._ask({"do": "names", "names": list(names)})
        known = [name for name in names if type(found) is list and name in found]
        return {name: self._ask({"do": "get", "name": name}) for name in known}

    def close(self):
        """End the process; the object can go on with a new one."""
        if self.sandbox is not None:
            self.sandbox.close()
            self.printed = self.printed or self.sandbox.shown.decode(errors="replace")
            self.sandbox = None

    def _begin(self):
        while self.sandbox is None:
            if monotonic() >= self.end:
                raise Ended("the time for this submission is used up")
            self.sandbox = Sandbox(self.memory, trusted=self.trusted)
            for what, source in self.cells:
                if what in self.left_out:
                    continue
                try:
                    self._ask({"do": "run", "source": source})
                    self.troubles.pop(what, None)
                except Ended as error:
                    self.troubles[what] = str(error)
                    self.left_out.add(what)
                    break
                except StudentError as error:
                    self.troubles[what] = str(error)

    def _ask(self, request):
        if self.sandbox is None:
            raise Ended("its process has ended")
        now = monotonic()
        sandbox = self.sandbox
        try:
            return sandbox.ask(
                request, lambda handle: Remote(self._ask_of(sandbox), handle), now + (self.end - now) / 2
            )
        except Ended:
            self.close()
            raise

    def _ask_of(self, sandbox):
        def ask(request):
            if sandbox is not self.sandbox:
                raise Ended("its process has ended")
            return self._ask(request)

        return ask


def _handles(value):
    """The value with stand-ins as the handles that the sandbox knows them by."""
    if isinstance(value, Remote):
        handle = object.__getattribute__(value, "_handle")
        return Handle(handle.number, handle.kind)
    if type(value) in (list, tuple):
        return type(value)(_handles(one) for one in value)
    return value
