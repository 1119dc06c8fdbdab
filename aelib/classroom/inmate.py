"""Messages in, messages out: runs inside the sandbox, holds a student's namespace, and knows nothing of any test.

Started as `python inmate.py IN OUT`, two open file descriptors. Whatever a student's code does to this process,
all it can do is answer with other values.
"""

import os
import re
import struct
import sys
import traceback

sys.path.insert(0, os.environ["AELIB_CHECKOUT"])

import numpy as np

from aelib.classroom.wire import Handle, pack, unpack


def main(source, sink):
    kept = []

    def refer(value):
        kept.append(value)
        return Handle(len(kept) - 1, type(value).__name__)

    def resolve(handle):
        return kept[handle.number]

    namespace = {"__name__": "__main__"}
    while (header := source.read(8)) and len(header) == 8:
        request = unpack(source.read(*struct.unpack("<Q", header)), resolve)
        try:
            data = pack({"ok": True, "value": _converted(_answer(namespace, request))}, refer)
        except BaseException as error:
            data = pack({"ok": False, "error": _described(error)}, refer)
        # In one go: a print to a borrowed descriptor in between would only spoil the student's own answer.
        sink.write(data)
        sink.flush()


def _answer(namespace, request):
    what = request["do"]
    if what == "run":
        return _run(namespace, request["source"])
    if what == "names":
        return [name for name in request["names"] if name in namespace]
    if what == "get":
        return namespace[request["name"]]
    if what == "attribute":
        return getattr(request["of"], request["name"])
    return request["of"](*request["args"], **request["kwargs"])


def _run(namespace, source):
    # What only Jupyter understands; IPython takes half of the time that a small submission needs.
    if not re.search(r"(?m)^\s*[%!]|get_ipython|\?\s*$", source):
        exec(compile(source, "<cell>", "exec"), namespace)
        return
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance(user_ns=namespace, colors="NoColor")
    shell.history_manager.enabled = False
    shell.showtraceback = shell.enable_gui = lambda *arguments, **options: None
    result = shell.run_cell(source, store_history=False)
    if error := result.error_before_exec or result.error_in_exec:
        raise error


def _converted(value):
    """The value with tensors as arrays; lists, tuples and dictionaries are looked into."""
    if type(value) in (list, tuple):
        return type(value)([_converted(one) for one in value])
    if type(value) is dict:
        return {key: _converted(one) for key, one in value.items()}
    if isinstance(value, np.generic) or type(value) is np.ndarray:
        return value
    if "torch" in type(value).__module__ and hasattr(value, "detach"):
        value = value.detach()
    return np.asarray(value) if hasattr(value, "__array__") and not callable(value) else value


def _described(error):
    lines = traceback.format_exception_only(error)
    return "".join(lines).strip()[-500:] or type(error).__name__


if __name__ == "__main__":
    with open(int(sys.argv[1]), "rb") as requests, open(int(sys.argv[2]), "wb") as replies:
        main(requests, replies)
