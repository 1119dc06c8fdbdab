"""S(Z): penalties that make codes sparse, and layers whose codes are sparse by construction."""

from aelib.sparsity.layers import Dictionary, TopK, UnrolledEncoder
from aelib.sparsity.penalties import KLSparsity, L1Sparsity, SparsityPenalty, l0

__all__ = ["Dictionary", "KLSparsity", "L1Sparsity", "SparsityPenalty", "TopK", "UnrolledEncoder", "l0"]
