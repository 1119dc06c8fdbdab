"""Make folders to hand out: notebooks, a wheel of the library for students, and a page that says how to install it."""

import base64
import hashlib
import shutil
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

from aelib import __version__
from aelib._paths import PACKAGE, repository_file
from aelib.series.spec import UsageError, load_series, series_folder

# Of `classroom` the student's copy has only what the tests in an assignment call.
_FOR_STUDENTS = ("__init__.py", "expect.py")
README = """# {title}

You need Python 3.11, 3.12 or 3.13. No GPU, and once this is installed, no network. In a terminal, in this folder, on
Linux and macOS:

    python3 -m venv .venv
    .venv/bin/python -m pip install --find-links . "{requirement}"
    .venv/bin/jupyter lab

On Windows:

    py -m venv .venv
    .venv\\Scripts\\python -m pip install --find-links . "{requirement}"
    .venv\\Scripts\\jupyter lab

{instructions}

In VS Code, open this folder and choose the Python of `.venv` as the kernel. In Colab or Kaggle, upload a notebook
together with `{wheel}`, and run its first cell.

JAX instead of TensorFlow needs a third of the disk: write `jax` for `tensorflow` in the second command, and set the
environment variable `KERAS_BACKEND` to `jax` before the third.
"""


def bundle(out: str | Path) -> Path:
    """Write the chapters, their solutions, a wheel and a README to a new folder, or a zip of it.

    Args:
        out: the folder; or, where the name ends in ".zip", the file.

    Returns:
        The path that was written.

    Raises:
        UsageError: `out` exists already, or cannot be written.
    """
    out, folder = Path(out), series_folder()
    notebooks = {}
    for notebook in load_series().values():
        for path in (notebook.path, folder / "solutions" / notebook.path.name):
            if path.exists():
                notebooks[path.relative_to(folder).as_posix()] = path.read_text(encoding="utf-8")
    first = next(iter(notebooks))
    instructions = f"Begin with `{first}`. Exercises are at the end of each chapter, worked solutions in `solutions/`."
    if out.suffix == ".zip" and out.exists():
        raise UsageError(f"{out} exists already; choose another --out, so that nothing is overwritten")
    try:
        # Beside its destination, and moved there when it is complete.
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".aelib-bundle-", dir=out.parent) as scratch:
            if out.suffix != ".zip":
                return hand_out(out, notebooks, "Autoencoders in guided notebooks", instructions)
            hand_out(Path(scratch) / out.stem, notebooks, "Autoencoders in guided notebooks", instructions)
            shutil.make_archive(str(Path(scratch) / "packed"), "zip", scratch, out.stem)
            return (Path(scratch) / "packed.zip").replace(out)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from None


def hand_out(out: Path, notebooks: dict[str, str], title: str, instructions: str) -> Path:
    """Write notebooks with the students' wheel and a README to a new folder; nothing is left of a failed attempt.

    Args:
        out: the folder, which must be missing or empty.
        notebooks: text of each notebook by its path in the folder, with "/".
        title: heading of the README.
        instructions: paragraph of the README that says which notebook to open, and what to do.

    Returns:
        `out`.

    Raises:
        UsageError: `out` is there and not empty, or cannot be written.
    """
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"{out} is there and not empty; choose another --out, so that nothing is overwritten")
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".aelib-bundle-", dir=out.parent) as scratch:
            place = Path(scratch) / "content"
            place.mkdir()
            wheel = write_wheel(place)
            for name, text in notebooks.items():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).write_text(text, encoding="utf-8")
            requirement = f"aelib[tensorflow,lab]=={__version__}"
            text = README.format(title=title, requirement=requirement, instructions=instructions, wheel=wheel.name)
            (place / "README.md").write_text(text, encoding="utf-8")
            return place.replace(out)
    except OSError as error:
        raise UsageError(f"cannot write to the folder {out}: {error.strerror}") from None


def write_wheel(folder: Path) -> Path:
    """Write the wheel that students get: this library and its data, without grader, assignments and solutions.

    It is made from the files of the running library, in a checkout or installed, so it needs no build tool.

    Raises:
        UsageError: aelib is not installed in this environment, or in another version than it is executed from.
    """
    try:
        installed = metadata.distribution("aelib")
    except metadata.PackageNotFoundError:
        raise UsageError("aelib is not installed in this environment; pip install -e . in its repository") from None
    if installed.version != __version__:
        raise UsageError(f"aelib {installed.version} is installed, but {__version__} is executed; install it again")
    info = f"aelib-{__version__}.dist-info"
    content = _library()
    content[f"{info}/METADATA"] = installed.read_text("METADATA").encode()
    content[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: aelib\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    content[f"{info}/entry_points.txt"] = installed.read_text("entry_points.txt").encode()
    record = [f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in content.items()]
    content[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"]).encode()
    path = Path(folder) / f"aelib-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path


def _library() -> dict[str, bytes]:
    """Return what a student's wheel holds, by its path in the wheel."""
    content = {}
    for path in sorted(PACKAGE.rglob("*")):
        parts = path.relative_to(PACKAGE).parts
        skipped = parts[0] == "_repository" or "__pycache__" in parts or path.suffix == ".pyc"
        if path.is_file() and not skipped and (parts[0] != "classroom" or parts[1:] in [(n,) for n in _FOR_STUDENTS]):
            content["/".join(("aelib", *parts))] = path.read_bytes()
    chapters = [notebook.path for notebook in load_series().values()]
    for path in (*chapters, series_folder() / "series.toml"):
        inside = path.relative_to(series_folder()).as_posix()
        content[f"aelib/_repository/notebooks/{inside}"] = path.read_bytes()
    for name in ("data/mnist_5k.npz", "data/README.md"):
        content[f"aelib/_repository/{name}"] = repository_file(name).read_bytes()
    return content


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
