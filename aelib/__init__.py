"""Autoencoders for compression, sparse representation and denoising: the library behind the notebooks."""

import contextlib
import gc
import importlib.util
import logging
import os
import sys

__version__ = "0.2.0"

# Keras takes TensorFlow unless it is told otherwise, and fails where only another backend is installed.
if not os.environ.get("KERAS_BACKEND") and not importlib.util.find_spec("tensorflow"):
    for _backend in ("jax", "torch"):
        if importlib.util.find_spec(_backend):
            os.environ["KERAS_BACKEND"] = _backend
            break


@contextlib.contextmanager
def quiet():
    """Drops what is written to the process's standard error inside a `with`; Python errors still come through.

    For `import keras`: TensorFlow's start-up messages are written before any of its settings for quiet take effect.
    From then on TensorFlow does not warn of retracing either, which is what every new network needs. What is imported
    stays, so the garbage collector does not look at it, now or later: a fifth of TensorFlow's import time.
    TensorFlow, which reads its settings while it is imported, is told to use oneDNN, unless the environment says else.
    """
    logging.getLogger("tensorflow").addFilter(_is_not_about_retracing)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow uses oneDNN by itself only on newer processors; on others its gradients of small convolutions are slow.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    collecting = gc.isenabled()
    gc.disable()
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def _is_not_about_retracing(record):
    return "retracing" not in record.getMessage()
