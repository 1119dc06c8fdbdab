"""Keras layers: sparse codes, dictionaries, penalties, a rate bottleneck, noise and depth to space."""

from aelib.layers.dictionary import Dictionary, UnrolledEncoder
from aelib.layers.noise import ClippedGaussianNoise, MaskingNoise, SaltAndPepperNoise
from aelib.layers.penalty import SparsityPenalty
from aelib.layers.rate import RateBottleneck
from aelib.layers.reshaping import DepthToSpace
from aelib.layers.sparse import AdaptiveThreshold, BatchTopK, JumpReLU, TopK

__all__ = [
    "AdaptiveThreshold",
    "BatchTopK",
    "ClippedGaussianNoise",
    "DepthToSpace",
    "Dictionary",
    "JumpReLU",
    "MaskingNoise",
    "RateBottleneck",
    "SaltAndPepperNoise",
    "SparsityPenalty",
    "TopK",
    "UnrolledEncoder",
]
