"""Autoencoders for compression, sparse representation and denoising: the library behind the notebooks."""

import contextlib
import os
import sys


@contextlib.contextmanager
def quiet():
    """Drops what is written to the process's standard error inside a `with`; Python errors still come through.

    For `import keras`: TensorFlow's start-up messages are written before any of its settings for quiet take effect.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
