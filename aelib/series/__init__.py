"""The notebooks as a checked series.

A notebook begins with `check_parameters` and ends with `check`; `python -m aelib run` executes and judges notebooks.
"""

from aelib.series.spec import check_parameters
from aelib.series.verdict import TargetMissed, check

__all__ = ["TargetMissed", "check", "check_parameters"]
