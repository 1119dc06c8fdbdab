"""Deprecated: the layers are in `aelib.layers`, the penalties in `aelib.regularizers`."""

import aelib.layers
import aelib.regularizers  # noqa: F401 # registers the classes of saved models
from aelib._deprecated import renamed_names

_LAYERS = ("Dictionary", "SparsityPenalty", "TopK", "UnrolledEncoder")
_REGULARIZERS = ("KLSparsity", "L1Sparsity", "l0")
__getattr__ = renamed_names(
    __name__,
    {name: f"aelib.layers.{name}" for name in _LAYERS} | {name: f"aelib.regularizers.{name}" for name in _REGULARIZERS},
)
