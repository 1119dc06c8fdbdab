"""Find the notebooks that the names and paths of a command line stand for."""

import os
import re
from contextlib import suppress

from aelib.series.spec import Notebook, UsageError, series_folder


def select_notebooks(series: dict[str, Notebook], names) -> list[Notebook]:
    """Return the notebooks that names or paths stand for, each once; all of them without names.

    A name may be shortened to words of it or to their beginning (`01`, `compression`, `comp`); a path must lead to the
    file of a notebook of the series.

    Raises:
        UsageError: a name or a path stands for no notebook, or for several.
    """
    selected = dict.fromkeys(_selected_name(series, name) for name in names)
    return [series[name] for name in selected or series]


def _selected_name(series, given):
    if given in series:
        return given
    known = f"the series has {', '.join(series)}"
    path = os.path.expanduser(given)
    # A copy of a notebook in the working directory is not the series' own, though it has the name.
    if path != given or os.path.basename(path) != path or (given.endswith(".ipynb") and os.path.exists(path)):
        for name, notebook in series.items():
            with suppress(OSError):
                if os.path.samefile(path, notebook.path):
                    return name
        reason = "is not a notebook of the series" if os.path.exists(path) else "does not exist"
        raise UsageError(f"{given[:200]!r} {reason}; {known} (in {series_folder()})")
    short = re.escape(given.removesuffix(".ipynb").lower().replace("-", "_"))
    # The name itself; else its words, also without leading zeros; else the beginning of a word.
    for pattern in (short, f"(.*_)?0*{short}(_.*)?", f"(.*_)?{short}.*") if short else ():
        matching = [name for name in series if re.fullmatch(pattern, name.lower().replace("-", "_"))]
        if len(matching) > 1:
            raise UsageError(f"notebook {given[:80]!r} is ambiguous; it could be {', '.join(matching)}")
        if matching:
            return matching[0]
    raise UsageError(f"no notebook {given[:80]!r}; {known}")
