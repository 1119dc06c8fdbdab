"""The wheel and the sdist, built and installed: what works outside the checkout."""

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest
from needs import missing

import aelib

ROOT = Path(__file__).parents[1]
# The environment of another user: none of the settings of this one, except how to reach the package index.
NETWORK = re.compile(r"PIP_.*|SSL_.*|.*_proxy|LANG", re.I)
BARE = {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)}


def call(*command, cwd, **environment):
    """Run a command in a folder with a bare environment and return its output; fail the test if the command fails."""
    environment = {**BARE, "PATH": "/usr/bin:/bin", "HOME": str(cwd), **environment}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the folder with the sdist and the wheel that was built from it."""
    out = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--outdir", out, ROOT, cwd=out)
    return out


@pytest.fixture(scope="module")
def elsewhere(built, tmp_path_factory):
    """Return the programs of a new environment with the wheel and its extras `tensorflow,run`, and an empty folder."""
    folder = tmp_path_factory.mktemp("elsewhere")
    call(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    (wheel,) = built.glob("*.whl")
    pip = (folder / "venv" / "bin" / "python", "-m", "pip")
    call(*pip, "install", "-q", "-c", ROOT / "constraints.txt", f"{wheel}[tensorflow,run]", cwd=folder)
    call(*pip, "check", cwd=folder)
    (folder / "work").mkdir()
    return folder / "venv" / "bin", folder / "work"


def test_wheel_and_sdist_pass_the_check_of_the_index(built):
    out = call(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir(), cwd=built)
    assert out.count("PASSED") == 2


def test_wheel_and_sdist_contain_data_notebooks_and_templates_and_nothing_of_this_machine(built):
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
        metadata = archive.read(next(name for name in in_wheel if name.endswith("/METADATA"))).decode()
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    if not shutil.which("git") or not (ROOT / ".git").exists():
        missing("git", "no git, or no clone")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    tracked = set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())
    assert in_sdist <= tracked | {"PKG-INFO"}
    for name in tracked:
        if name.startswith("aelib/") or name.endswith(".ipynb") or name == "notebooks/series.toml":
            inside = name if name.startswith("aelib/") else f"aelib/_repository/{name}"
            assert name in in_sdist and inside in in_wheel, name
    assert {"aelib/_repository/data/mnist_5k.npz", "aelib/py.typed"} <= in_wheel
    assert not [name for name in in_wheel | in_sdist if re.search(r"__pycache__|\.venv|reports/|mnist\.npz", name)]
    for field in (
        "License-Expression: MIT",
        "Requires-Python: <3.14,>=3.11",
        f"Version: {aelib.__version__}",
        "Project-URL",
    ):
        assert field in metadata, field


def test_the_command_line_works_from_an_unrelated_folder(elsewhere):
    programs, work = elsewhere
    assert call(programs / "aelib", "--version", cwd=work).split()[-1] == aelib.__version__
    code = "from aelib import data; print(data.load())"
    # No backend is imported for data.
    assert "train (3500, 28, 28, 1)" in call(programs / "python", "-c", code, cwd=work)
    assert "01_compression" in call(programs / "aelib", "list", cwd=work)
    listed = call(programs / "aelib", "data", cwd=work)
    assert listed.count("not fetched yet") == 3 and "refused" not in listed
    assert os.listdir(work) == []


def test_a_notebook_is_executed_from_an_unrelated_folder(elsewhere):
    programs, work = elsewhere
    call(programs / "aelib", "run", "01_compression", "--profile", "quick", "--out", work / "out", cwd=work)
    results = json.loads((work / "out" / "results.json").read_text())
    assert results["notebooks"][0]["status"] == "passed" and "tensorflow" in results["versions"]


def test_a_bundle_of_an_installed_aelib_installs_as_its_readme_says(elsewhere, tmp_path):
    programs, work = elsewhere
    call(programs / "aelib", "release", "--out", tmp_path / "release", cwd=work)
    call(programs / "aelib", "bundle", "--out", tmp_path / "my course.zip", cwd=work)
    assert len(list((tmp_path / "release").glob("*.ipynb"))) == 3
    with zipfile.ZipFile(tmp_path / "my course.zip") as archive:
        names = archive.namelist()
        archive.extractall(tmp_path)
    assert "my course/01_compression.ipynb" in names and not [name for name in names if "assignment" in name]
    # The commands of the README, with JAX, which is quicker to install, and without JupyterLab.
    folder = tmp_path / "my course"
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    create, install = (line.strip() for line in lines if line.strip().startswith((".venv/bin/python", "python3 -m")))
    install = install.replace("tensorflow,lab", "jax")
    call("bash", "-c", f"{create.replace('python3', sys.executable)} && {install}", cwd=folder)
    code = "import aelib.classroom.expect, keras; from aelib import data; print(keras.backend.backend(), data.load())"
    output = call(folder / ".venv" / "bin" / "python", "-c", code, cwd=folder)
    assert output.startswith("jax Images(mnist-5k")
    assert call(folder / ".venv" / "bin" / "aelib", "--version", cwd=folder).split()[-1] == aelib.__version__


@pytest.fixture
def repository(built, tmp_path):
    """Return the address of a local server with the repository, in an archive as a hosting site makes it."""
    (sdist,) = built.glob("*.tar.gz")
    shutil.unpack_archive(sdist, tmp_path / "repository")
    shutil.make_archive(str(tmp_path / "site" / "archive" / "HEAD"), "zip", tmp_path / "repository")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "site")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("source", ["wheel", pytest.param("repository", marks=pytest.mark.weekly)])
def test_a_notebook_opened_alone_installs_what_it_needs(built, repository, tmp_path, source):
    # As in Colab or Kaggle: a kernel, one notebook, and no aelib. It is run up to the cell that loads the digits.
    notebook = nbformat.read(ROOT / "notebooks" / "01_compression.ipynb", 4)
    last = next(i for i, cell in enumerate(notebook.cells) if "load(" in cell.source and cell.cell_type == "code")
    notebook.cells = notebook.cells[: last + 1]
    alone = tmp_path / "a folder"
    alone.mkdir()
    if source == "wheel":
        (wheel,) = built.glob("*.whl")
        (alone / wheel.name).write_bytes(wheel.read_bytes())
    published = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    notebook.cells[1].source = notebook.cells[1].source.replace(published, repository)
    assert repository in notebook.cells[1].source
    nbformat.write(notebook, alone / "one.ipynb")
    call(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    programs = tmp_path / "venv" / "bin"
    call(programs / "python", "-m", "pip", "install", "-q", "ipykernel", "nbclient", cwd=tmp_path)
    environment = {"KERAS_BACKEND": "jax", "no_proxy": "127.0.0.1", "PATH": f"{programs}:/usr/bin:/bin"}
    call(programs / "jupyter", "execute", "--timeout=600", "--inplace", alone / "one.ipynb", cwd=alone, **environment)
    last_cell = nbformat.read(alone / "one.ipynb", 4).cells[-1]
    assert last_cell.execution_count == len([cell for cell in notebook.cells if cell.cell_type == "code"])
