"""Release assignments: each notebook without its answers and hidden tests, and what students need to open it."""

from collections.abc import Iterable
from pathlib import Path

from aelib import bundle
from aelib.classroom import assignment
from aelib.classroom.nbgrader_format import student_version
from aelib.series import document

INSTRUCTIONS = """Then open {names}. Fill in the cells that say `YOUR CODE HERE`, and run the test below each:
it says what it expected and what your code returned. Before you hand in, choose Kernel, Restart Kernel and Run All
Cells; then hand in only the notebook."""


def release(names: Iterable[str], out: str | Path) -> list[Path]:
    """Write the student version of the named assignments (all without names) to a new folder or zip; return the paths.

    Raises:
        UsageError: an unknown name, or a folder that already exists and is not empty.
    """
    names = list(dict.fromkeys(names)) or assignment.names()
    notebooks = {f"{name}.ipynb": document.text(student_version(assignment.source(name))) for name in names}
    instructions = INSTRUCTIONS.format(names=", ".join(f"`{name}`" for name in notebooks))
    written = bundle.write_handout(Path(out), notebooks, "Assignments", instructions)
    return [written / name for name in notebooks] if written.is_dir() else [written]
