"""Keras layers: sparse codes, dictionaries, penalties, a rate bottleneck, noise and depth to space."""

from aelib.layers.noise import ClippedGaussianNoise, MaskingNoise, SaltAndPepperNoise
from aelib.layers.penalty import SparsityPenalty
from aelib.layers.rate import RateBottleneck
from aelib.layers.reshaping import DepthToSpace
from aelib.layers.sparse import Dictionary, TopK, UnrolledEncoder

__all__ = [
    "ClippedGaussianNoise",
    "DepthToSpace",
    "Dictionary",
    "MaskingNoise",
    "RateBottleneck",
    "SaltAndPepperNoise",
    "SparsityPenalty",
    "TopK",
    "UnrolledEncoder",
]
