"""The notebooks as a checked series: a notebook's last cell calls `check`; `python -m aelib run` does the rest."""

from aelib.series.verdict import TargetMissed, check

__all__ = ["TargetMissed", "check"]
