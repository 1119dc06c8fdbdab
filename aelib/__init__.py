"""Autoencoders for compression, sparse representation and denoising: the library behind the notebooks."""

import contextlib
import gc
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator

__version__ = "0.3.0"

# Keras takes TensorFlow unless it is told otherwise, and fails where only another backend is installed.
if not os.environ.get("KERAS_BACKEND") and not importlib.util.find_spec("tensorflow"):
    for _backend in ("jax", "torch"):
        if importlib.util.find_spec(_backend):
            os.environ["KERAS_BACKEND"] = _backend
            break


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what is written to the process's standard error inside a `with`; Python's own errors still come through.

    Use it around `import keras`: TensorFlow writes messages before any of its settings for quiet take effect. From then
    on TensorFlow does not warn of retracing either, which every new network needs. The garbage collector leaves alone
    what is imported, now and later, which saves a fifth of TensorFlow's import time. TensorFlow, which reads its
    settings while it is imported, is told to use oneDNN, unless the environment says otherwise.
    """
    logging.getLogger("tensorflow").addFilter(_is_not_about_retracing)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # By itself TensorFlow uses oneDNN on newer processors only; its own gradients of small convolutions are slow.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    sys.stderr.flush()
    stderr, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    collecting = gc.isenabled()
    gc.disable()
    try:
        os.dup2(devnull, 2)
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
        os.dup2(stderr, 2)
        os.close(devnull)
        os.close(stderr)


def _is_not_about_retracing(record):
    return "retracing" not in record.getMessage()
