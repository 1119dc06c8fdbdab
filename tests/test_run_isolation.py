"""A run depends on nothing personal: Keras's and matplotlib's configuration, the user's site files."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from throwaway import Finished, check, make_series, run, start

import aelib

KERAS = '{"floatx": "float64", "epsilon": 0.5, "backend": "jax", "image_data_format": "channels_first"}'
LOOK = """
import keras, matplotlib
print(keras.config.floatx(), keras.config.image_data_format(), keras.config.epsilon(), keras.config.backend())
print(matplotlib.rcParams["lines.linewidth"], matplotlib.rcParams["axes.grid"])
from matplotlib import font_manager
"""


@pytest.mark.parametrize("by", ["home", "variables"])
def test_a_run_does_not_depend_on_the_configuration_of_keras_and_matplotlib(tmp_path, by):
    """`by`: where the configuration lies, in the home folder or where environment variables say."""
    folders = [tmp_path / ".keras", tmp_path / ".config" / "matplotlib", tmp_path / "cache"]
    for folder in folders:
        folder.mkdir(parents=True)
    (folders[0] / "keras.json").write_text(KERAS)
    (folders[1] / "matplotlibrc").write_text("lines.linewidth: 7\naxes.grid: True\n")
    environment = {
        "home": {"HOME": tmp_path, "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": folders[2]},
        "variables": {"KERAS_HOME": folders[0], "MATPLOTLIBRC": folders[1], "XDG_CACHE_HOME": folders[2]},
    }[by]
    series = make_series(tmp_path / "series", {"one": [LOOK, check()]})
    ended = run(series, tmp_path / "out", **environment)
    assert ended.code == 0, ended.stdout
    outputs = [output for cell in ended.notebook("one").cells for output in cell.get("outputs", [])]
    shown = "".join(output.get("text", "") for output in outputs)
    assert "float32 channels_last 1e-07 tensorflow\n1.5 False\n" in shown
    # Fonts are looked for once on a machine, not in every run.
    assert list((folders[2] / "matplotlib").glob("fontlist*"))


@pytest.fixture
def user_python(tmp_path):
    """A Python that reads the user's site files, as one outside a virtual environment does, and their folder."""
    venv.create(tmp_path / "python", system_site_packages=True)
    python = tmp_path / "python" / "bin" / "python"
    ask = "import site; print(site.getsitepackages()[0], site.ENABLE_USER_SITE, site.getusersitepackages())"
    environment = {**os.environ, "PYTHONUSERBASE": str(tmp_path / "user")}
    answer = subprocess.run([python, "-c", ask], capture_output=True, text=True, env=environment, check=True)
    own, enabled, user_site = answer.stdout.split()
    assert enabled == "True"
    # The packages of this environment, without its .pth files: an editable aelib is not among them.
    Path(own, "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    user_site = Path(user_site)
    user_site.mkdir(parents=True)
    return python, user_site


SITE_FILES = """
import os, sys, aelib, user_package
print("site files:", os.environ.get("SEEN"), "usercustomize" in sys.modules)
print("aelib of the user:", os.path.dirname(aelib.__file__) in os.environ["USERS_AELIB"])
"""


@pytest.mark.parametrize("installed", ["checkout", "user"])
def test_a_run_does_not_depend_on_the_users_site_files_but_has_their_packages(tmp_path, user_python, installed):
    """`installed`: whether aelib lies in its checkout, or is itself one of the user's packages."""
    python, user_site = user_python
    (user_site / "usercustomize.py").write_text("import os\nos.environ['SEEN'] = 'usercustomize'\n")
    (user_site / "personal.pth").write_text("import os; os.environ['SEEN'] = 'personal.pth'\n")
    (user_site / "user_package.py").touch()
    package = Path(aelib.__file__).parent
    if installed == "user":
        shutil.copytree(package, user_site / "aelib", ignore=shutil.ignore_patterns("__pycache__"))
    series = make_series(tmp_path / "series", {"one": [SITE_FILES, check()]})
    # The run itself reads the site files; what they set does not count.
    code = "import os, runpy; del os.environ['SEEN']; runpy.run_module('aelib', run_name='__main__')"
    environment = {
        "PYTHONUSERBASE": python.parents[2] / "user",
        "PYTHONPATH": package.parent if installed == "checkout" else "",
        "JUPYTER_PATH": Path(sys.prefix, "share", "jupyter"),
        "USERS_AELIB": user_site / "aelib",
    }
    arguments = ["-P", "-c", code, "run", "--out", tmp_path / "out"]
    ended = Finished(start(series, *arguments, before=[python], **environment), tmp_path / "out")
    assert ended.code == 0, ended.stdout + ended.stderr
    page = ended.page("one")
    assert "site files: None False" in page
    assert f"aelib of the user: {installed == 'user'}" in page
