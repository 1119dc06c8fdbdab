"""The recipe: an autoencoder and images go in; the same autoencoder, trained, and its error per epoch come out.

The modules behind it: `starts` sets the weights, `recipe` trains, `history` keeps and shows the errors, `files` reads
what does not fit in memory, `optimizer` is Adam.
"""

from aelib.training.files import ImageFiles
from aelib.training.history import History
from aelib.training.recipe import fast_settings, fit, warmup_cosine
from aelib.training.starts import centred_start, glorot_start

__all__ = ["History", "ImageFiles", "centred_start", "fast_settings", "fit", "glorot_start", "warmup_cosine"]
