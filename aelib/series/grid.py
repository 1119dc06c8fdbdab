"""Texts of --grid in; the points they span, each a dictionary from name to value as it was written, out."""

import itertools
import math
import re

from aelib.series.spec import UsageError

RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")
MOST = 1_000_000  # points; far more than anyone means


def axes(grids):
    """{name: its values as texts}; raises UsageError.

    Args:
        grids: texts NAME=V1,V2,... where a value FIRST..LAST stands for all whole numbers from one to the other.
    """
    found = {}
    for text in grids:
        name, equals, values = text.partition("=")
        name = name.strip()
        if not equals or not name or not values.strip():
            raise UsageError(f"--grid must be NAME=V1,V2,...; received {text[:80]!r}")
        if name in found:
            raise UsageError(f"--grid {name} is given twice; put its values into one list")
        found[name] = list(
            dict.fromkeys(itertools.chain.from_iterable(_values(name, one) for one in values.split(",")))
        )
    count = math.prod(map(len, found.values()))
    if count > MOST:
        raise UsageError(f"--grid spans {count:,} points; {MOST:,} at most")
    return found


def points(axes):
    """Every combination of the axes' values, the last axis varying fastest; one empty point without axes."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _values(name, text):
    text = text.strip()
    if not text:
        raise UsageError(f"--grid {name} has an empty value")
    if not (found := RANGE.fullmatch(text)):
        return [text]
    first, last = map(int, found.groups())
    if first > last or last - first >= MOST:
        raise UsageError(f"--grid {name}: {text} must go upwards, over {MOST:,} numbers at most")
    return [str(number) for number in range(first, last + 1)]
