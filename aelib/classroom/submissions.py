"""Find the notebook of each student in a folder or in a zip from a learning platform, and the code to run in it."""

import io
import json
import re
import zipfile
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path, PurePosixPath

from aelib.classroom.assignment import Assignment, normalized
from aelib.series.spec import UsageError

MAX_NOTEBOOK_BYTES = 20_000_000


@dataclass(frozen=True)
class Submission:
    """A student's notebook, or the reason why there is none to grade; remarks are for the instructor."""

    student: str
    data: bytes = b""
    error: str | None = None
    remarks: tuple[str, ...] = ()


def collect(path: str | Path, assignment: Assignment) -> list[Submission]:
    """Return the submissions in a folder or zip, sorted by student.

    A student is a folder (`ana/nb.ipynb`, `ana/compression/nb.ipynb`), or a zip or notebook at the top.

    Raises:
        UsageError: there is nothing to grade at this path.
    """
    path = Path(path)
    notebooks: dict[str, list] = {}
    for parts, size, read in _files(path):
        if parts[-1].startswith(".") or "__MACOSX" in parts or ".ipynb_checkpoints" in parts:
            continue
        student = parts[0] if len(parts) > 1 else PurePosixPath(parts[0]).stem
        files = notebooks.setdefault(student, [])
        if parts[-1].lower().endswith(".ipynb"):
            files.append((parts, size, read))
    for folder in path.iterdir() if path.is_dir() else ():
        if folder.is_dir() and not folder.name.startswith("."):
            notebooks.setdefault(folder.name, [])
    if not notebooks:
        raise UsageError(f"no submission under {path}: it must contain a folder, a zip or a notebook for each student")
    return [_submission(student, notebooks[student], assignment) for student in sorted(notebooks)]


def notebook_names(path: str | Path) -> list[str]:
    """Return the names of all notebooks that were handed in; raises UsageError as `collect` does."""
    return [parts[-1] for parts, *_ in _files(Path(path)) if parts[-1].lower().endswith(".ipynb")]


def answer_cells(submission: Submission, assignment: Assignment) -> tuple[list[tuple[str, str]], str | None]:
    """Return (label, source) of the cells to run, and why there is nothing to grade, or None.

    Every code cell that differs from those that were handed out counts, even if it was moved, copied, renamed or
    stripped of its metadata.
    """
    if submission.error:
        return [], submission.error
    try:
        notebook = json.loads(submission.data.decode("utf-8-sig"))
        sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        return [], "the file is not a notebook: " + ("not JSON" if isinstance(error, ValueError) else "it has no cells")
    cells = [(f"code cell {number}", source) for number, source in enumerate(sources, 1)]
    return [cell for cell in cells if cell[1].strip() and normalized(cell[1]) not in assignment.handed_out], None


def _files(path):
    """Yield (parts of the path, bytes, function that reads it) of every file in a zip, or in a folder and its zips."""
    if not path.exists():
        raise UsageError(f"no submissions at {path}")
    if path.is_file():
        if not zipfile.is_zipfile(path):
            raise UsageError(f"{path} is neither a folder nor a zip")
        yield from _zipped(path.read_bytes(), ())
    for file in sorted(path.rglob("*")):
        parts = file.relative_to(path).parts
        if file.is_symlink() or not file.is_file():
            # A link may lead anywhere, for example to another submission or the solution.
            continue
        if zipfile.is_zipfile(file):
            yield from _zipped(file.read_bytes(), (parts[0] if len(parts) > 1 else file.stem,))
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


def _submission(student, files, assignment):
    """Return the notebook with the most cells of the assignment; those with its name take precedence."""
    if not files:
        return Submission(student, error="no notebook was handed in")
    named = [file for file in files if assignment.name in file[0][-1]]
    remark = f"{len(files)} notebooks were handed in; the one with the most cells of the assignment counts"
    remarks = (remark,) if len(files) > 1 else ()

    def candidate(file):
        _, size, read = file
        data, error = b"", None
        try:
            if size > MAX_NOTEBOOK_BYTES:
                error = f"the notebook takes {size / 1e6:.0f} MB, at most {MAX_NOTEBOOK_BYTES / 1e6:.0f} MB are read"
            else:
                data = read()
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as failure:
            error = f"the file cannot be read: {type(failure).__name__}"
        known_cells = -1 if error else sum(cell_id.encode() in data for cell_id in assignment.cell_ids)
        return known_cells, Submission(student, data, error, remarks)

    # One at a time, because together they may be large.
    candidates = map(candidate, sorted(named or files, key=itemgetter(0)))
    return max(candidates, key=itemgetter(0))[1]
