"""What `import aelib` itself does."""

import subprocess
import sys
import textwrap

import pytest


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
