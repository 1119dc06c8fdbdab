"""What `import aelib` itself does."""

import gc
import logging
import os
import subprocess
import sys
import textwrap

import pytest

import aelib


@pytest.mark.parametrize(
    ("installed", "named", "expected"),
    [
        (["tensorflow", "jax", "torch"], "", ""),
        (["jax", "torch"], "", "jax"),
        (["torch"], "", "torch"),
        (["jax", "torch"], "torch", "torch"),
        (["jax"], "tensorflow", "tensorflow"),
        ([], "", ""),
    ],
)
def test_without_tensorflow_the_backend_is_one_that_is_installed(installed, named, expected):
    code = f"""
        import importlib.util, os, sys
        find = importlib.util.find_spec
        backends = ("tensorflow", "jax", "torch")
        importlib.util.find_spec = lambda name: (name in {installed} or None) if name in backends else find(name)
        os.environ["KERAS_BACKEND"] = {named!r}
        import aelib
        print(os.environ["KERAS_BACKEND"], "keras" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{expected} False\n"


def test_tensorflow_does_not_warn_of_retracing_once_keras_was_imported_quietly(caplog):
    with aelib.quiet():
        pass
    logger = logging.getLogger("tensorflow")
    logger.warning("5 out of the last 5 calls triggered tf.function retracing")
    logger.warning("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]


def test_what_is_written_to_standard_error_is_dropped_inside_and_nowhere_else(capfd):
    os.write(2, b"before ")
    with aelib.quiet():
        os.write(2, b"inside ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


@pytest.mark.parametrize("collecting", [True, False])
def test_importing_quietly_leaves_the_garbage_collector_as_it_was(collecting):
    before = gc.isenabled()
    try:
        (gc.enable if collecting else gc.disable)()
        with pytest.raises(ImportError), aelib.quiet():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() is collecting
    finally:
        (gc.enable if before else gc.disable)()


def test_the_garbage_collector_does_not_look_at_what_was_imported_quietly():
    before = gc.get_freeze_count()
    with aelib.quiet():
        imported = [[] for _ in range(1000)]
    assert gc.get_freeze_count() >= before + len(imported)
    assert not any(entry is imported for entry in gc.get_objects())
