"""The notebooks as a checked series: `check` ends a notebook, `python -m aelib run` executes and judges."""

from aelib.series.verdict import TargetMissed, check

__all__ = ["TargetMissed", "check"]
