"""Find the notebooks that the names and paths of a command line stand for."""

import os
import re
from contextlib import suppress

from aelib.series.spec import UsageError, series_folder


def chosen(series, names):
    """Return the notebooks that names or paths stand for, each once; all of them without names.

    A name may be shortened to words of it or to their beginning (`01`, `compression`, `comp`); a path must lead to the
    file of a notebook of the series.

    Raises:
        UsageError: a name or a path of no notebook, or of several.
    """
    found = dict.fromkeys(_recognized(series, name) for name in names)
    return [series[name] for name in found or series]


def _recognized(series, given):
    if given in series:
        return given
    there = f"the series has {', '.join(series)}"
    path = os.path.expanduser(given)
    is_path = path != given or os.sep in given or (os.altsep or os.sep) in given
    # A copy of a notebook in the working directory is not the series' own, though it has the name.
    if is_path or (given.endswith(".ipynb") and os.path.exists(path)):
        for name, notebook in series.items():
            with suppress(OSError):
                if os.path.samefile(path, notebook.path):
                    return name
        reason = "is not a notebook of the series" if os.path.exists(path) else "does not exist"
        raise UsageError(f"{given[:200]!r} {reason}; {there} (in {series_folder()})")
    found = _matching(series, given.removesuffix(".ipynb"))
    if len(found) > 1:
        raise UsageError(f"notebook {given[:80]!r} is ambiguous; it could be {', '.join(found)}")
    if not found:
        raise UsageError(f"no notebook {given[:80]!r}; {there}")
    return found[0]


def _matching(names, short):
    """Return the names that are `short`; else those that hold it as words (1 is 01); else as the beginning of words."""
    short = re.escape(short.lower().replace("-", "_"))
    for pattern in (short, f"(.*_)?0*{short}(_.*)?", f"(.*_)?{short}.*"):
        if short and (found := [name for name in names if re.fullmatch(pattern, name.lower().replace("-", "_"))]):
            return found
    return []
