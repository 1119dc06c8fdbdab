"""A folder or a zip from a learning platform in; a Submission per student out, whatever is in it."""

import hashlib
import io
import json
import re
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from aelib.classroom.assignment import normal
from aelib.series.spec import UsageError

LARGEST = 20_000_000  # bytes of a notebook that are looked at


@dataclass(frozen=True)
class Submission:
    """One student's notebook, or the reason why there is none to grade. digest: of the bytes handed in."""

    student: str
    data: bytes = b""
    trouble: str | None = None
    remarks: tuple[str, ...] = ()

    @property
    def digest(self):
        return hashlib.sha256(self.data + (self.trouble or "").encode()).hexdigest()


def collect(path, assignment):
    """The submissions under a folder or in a zip, in the order of the students' names; raises UsageError.

    A student is a folder (whose depth does not matter: `ana/nb.ipynb`, `ana/compression/nb.ipynb`), a zip beside
    others, or a notebook that lies at the top.
    """
    path = _checked(path)
    found = {one.name: [] for one in (path.iterdir() if path.is_dir() else ()) if one.is_dir() and one.name[0] != "."}
    for parts, size, read in _files(path):
        if parts[-1].startswith(".") or "__MACOSX" in parts or ".ipynb_checkpoints" in parts:
            continue
        student = parts[0] if len(parts) > 1 else PurePosixPath(parts[0]).stem
        found.setdefault(student, [])
        if parts[-1].lower().endswith(".ipynb"):
            found[student].append((parts, size, read))
    if not found:
        raise UsageError(f"no submission under {path}: it must hold a folder, a zip or a notebook per student")
    return [_chosen(student, found[student], assignment) for student in sorted(found)]


def names_in(path):
    """The names of all notebooks that were handed in; raises UsageError."""
    return [parts[-1] for parts, *_ in _files(_checked(path)) if parts[-1].lower().endswith(".ipynb")]


def _checked(path):
    path = Path(path)
    if not path.exists():
        raise UsageError(f"no submissions at {path}")
    if path.is_file() and not zipfile.is_zipfile(path):
        raise UsageError(f"{path} is neither a folder nor a zip")
    return path


def code_of(submission, assignment):
    """([(name, source)] of the cells to run, None), or ([], the reason why there is nothing to grade).

    Of a student's notebook every code cell counts that is not just as it was handed out: whether cells were moved,
    copied, renamed or stripped of their metadata makes no difference then.
    """
    if submission.trouble:
        return [], submission.trouble
    try:
        notebook = json.loads(submission.data.decode("utf-8-sig"))
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        sources = ["".join(cell["source"]) for cell in cells]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        return [], "the file is not a notebook: " + ("not JSON" if isinstance(error, ValueError) else "it has no cells")
    changed = [(index, source) for index, source in enumerate(sources, 1) if normal(source) not in assignment.released]
    return [(f"code cell {index}", source) for index, source in changed if source.strip()], None


def _files(path):
    """(parts of the name, bytes, function that reads it) of every file; a zip in a folder is looked into once."""
    if path.is_file():
        yield from _zipped(path.read_bytes(), ())
        return
    for file in sorted(path.rglob("*")):
        parts = file.relative_to(path).parts
        if file.is_symlink() or not file.is_file():
            # A link may lead anywhere: to another submission, to the solution.
            continue
        if zipfile.is_zipfile(file):
            prefix = parts if len(parts) > 1 else (file.stem,)
            yield from _zipped(file.read_bytes(), prefix[:1])
        else:
            yield parts, file.stat().st_size, file.read_bytes


def _zipped(data, prefix):
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile:
        yield (*prefix, "broken.zip"), 0, None
        return
    for entry in archive.infolist():
        parts = tuple(part for part in re.split(r"[/\\]", entry.filename) if part not in ("", ".", ".."))
        if parts and not entry.is_dir():
            yield (*prefix, *parts), entry.file_size, partial(archive.read, entry)


def _chosen(student, files, assignment):
    if not files:
        return Submission(student, trouble="no notebook was handed in")
    named = [one for one in files if assignment.name in one[0][-1]]
    best, remarks = None, []
    for _, size, read in sorted(named or files, key=lambda one: one[0]):
        if size > LARGEST:
            trouble = f"the notebook takes {size / 1e6:.0f} MB, at most {LARGEST / 1e6:.0f} MB are read"
            best = best or (-1, Submission(student, trouble=trouble))
            continue
        try:
            data = read()
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            best = best or (-1, Submission(student, trouble=f"the file cannot be read: {type(error).__name__}"))
            continue
        known = sum(name.encode() in data for name in assignment.ids)
        if best is None or known > best[0]:
            best = (known, Submission(student, data))
    if len(files) > 1:
        remarks.append(f"{len(files)} notebooks were handed in; the one with most of the assignment's cells counts")
    return Submission(student, best[1].data, best[1].trouble, tuple(remarks))
