"""Make folders to hand out: notebooks, a wheel of the library for students, and a README on how to install it."""

import base64
import hashlib
import shutil
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

from aelib import __version__
from aelib._paths import IN_CHECKOUT, PACKAGE, repository_file
from aelib.series.spec import UsageError, load_series, series_folder

# The modules of `classroom` in a student's copy; the tests in an assignment call them.
_FOR_STUDENTS = {("classroom", "__init__.py"), ("classroom", "expect.py")}
_SUFFIXES = {".py", ".js", ".json", ".css", ".html", ".typed"}
TITLE = "Autoencoders in guided notebooks"
README = """# {title}

You need Python 3.11, 3.12 or 3.13, but no GPU and, once this is installed, no network. In a terminal, in this folder,
on Linux and macOS:

    python3 -m venv .venv
    .venv/bin/python -m pip install -c constraints.txt --find-links . "{requirement}"
    .venv/bin/jupyter lab

On Windows:

    py -m venv .venv
    .venv\\Scripts\\python -m pip install -c constraints.txt --find-links . "{requirement}"
    .venv\\Scripts\\jupyter lab

{instructions}

With `-c constraints.txt` everybody gets the versions that were tested together; without it, the newest.

In VS Code, open this folder and choose the Python of `.venv` as the kernel. In Colab or Kaggle, upload a notebook
together with `{wheel}`, and run its first cell.

JAX needs half the disk space of TensorFlow: to use it, write `jax` instead of `tensorflow` in the second command.
"""


def bundle(out: str | Path) -> Path:
    """Write the notebooks of the series, their solutions, a wheel and a README to a new folder, or a zip of it.

    Args:
        out: the folder; or, if the name ends in ".zip", the file.

    Returns:
        The path that was written.

    Raises:
        UsageError: `out` exists already, or cannot be written.
    """
    out, folder = Path(out), series_folder()
    files = [notebook.file for notebook in load_series().values()]
    solutions = [f"solutions/{Path(name).name}" for name in files]
    solutions = [name for name in solutions if (folder / name).exists()]
    try:
        notebooks = {name: (folder / name).read_text("utf-8") for name in files + solutions}
    except OSError as error:
        raise UsageError(f"cannot read {error.filename}: {error.strerror}") from None
    instructions = f"Then open {', '.join(f'`{name}`' for name in files)}."
    if solutions:
        instructions += " Worked solutions of the exercises are in `solutions/`."
    return write_handout(out, notebooks, TITLE, instructions)


def write_handout(out: Path, notebooks: dict[str, str], title: str, instructions: str) -> Path:
    """Write notebooks with the students' wheel and a README to a new folder, or a zip of it.

    Nothing is overwritten, and a failed attempt leaves nothing behind.

    Args:
        out: the folder, which must be missing or empty; or, if the name ends in ".zip", a file that does not exist.
        notebooks: text of each notebook by its path in the folder, with "/".
        title: heading of the README.
        instructions: paragraph of the README that says which notebook to open, and what to do.

    Returns:
        `out`.

    Raises:
        UsageError: `out` exists and is not empty, or cannot be written.
    """
    packed = out.suffix == ".zip"
    try:
        if out.exists() and (packed or not out.is_dir() or any(out.iterdir())):
            state = "exists" if packed or not out.is_dir() else "exists and is not empty"
            raise UsageError(f"{out} {state}; choose another --out, so that nothing is overwritten")
        # Written beside its destination, and moved there when it is complete.
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".aelib-bundle-", dir=out.parent) as scratch:
            handout = Path(scratch) / "content" / out.stem
            handout.mkdir(parents=True)
            _fill(handout, notebooks, title, instructions)
            if packed:
                handout = Path(shutil.make_archive(f"{scratch}/packed", "zip", handout.parent, out.stem))
            return handout.replace(out)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from None


def _fill(folder, notebooks, title, instructions):
    wheel = write_wheel(folder)
    for name, text in notebooks.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    requirement = f"aelib[tensorflow,lab]=={__version__}"
    text = README.format(title=title, requirement=requirement, instructions=instructions, wheel=wheel.name)
    (folder / "README.md").write_text(text, encoding="utf-8")
    shutil.copyfile(repository_file("constraints.txt"), folder / "constraints.txt")


def write_wheel(folder: Path) -> Path:
    """Write the wheel that students get: this library and its data, without the grader, assignments and solutions.

    It is made from the files of the running library, in a checkout or installed, and needs no build tool.

    Raises:
        UsageError: aelib is not installed in this environment, or has changed since it was.
    """
    try:
        installed = metadata.distribution("aelib")
    except metadata.PackageNotFoundError:
        raise UsageError("aelib is not installed in this environment; run pip install -e . in its repository") from None
    if installed.version != __version__ or _is_outdated(installed):
        raise UsageError("aelib has changed since it was installed in this environment; run pip install -e . again")
    info = f"aelib-{__version__}.dist-info"
    content = _library()
    for name in ("METADATA", "entry_points.txt", "licenses/LICENSE"):
        content[f"{info}/{name}"] = (installed.read_text(name) or "").encode()
    content[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: aelib\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = [f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in content.items()]
    content[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"]).encode()
    path = Path(folder) / f"aelib-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path


def _is_outdated(installed) -> bool:
    """Return whether the checkout's pyproject.toml is newer than the installed metadata."""
    metadata_path = installed.locate_file(f"aelib-{installed.version}.dist-info/METADATA")
    return IN_CHECKOUT and repository_file("pyproject.toml").stat().st_mtime > Path(metadata_path).stat().st_mtime


def _library() -> dict[str, bytes]:
    """Return the files of a student's wheel, {path in the wheel: content}."""
    content = {}
    for path in sorted(PACKAGE.rglob("*")):
        parts = path.relative_to(PACKAGE).parts
        ours = path.suffix in _SUFFIXES and parts[0] != "_repository" and not any(part[0] == "." for part in parts)
        if ours and path.is_file() and (parts[0] != "classroom" or parts in _FOR_STUDENTS):
            content["/".join(("aelib", *parts))] = path.read_bytes()
    for name in ("series.toml", *(notebook.file for notebook in load_series().values())):
        content[f"aelib/_repository/notebooks/{name}"] = (series_folder() / name).read_bytes()
    for name in ("data/mnist_5k.npz", "data/README.md", "constraints.txt"):
        content[f"aelib/_repository/{name}"] = repository_file(name).read_bytes()
    return content


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
