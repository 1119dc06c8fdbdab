"""A notebook file in; out: the notebook stripped for a run, and the executed one made fit to publish."""

import ast
import os
import re
import sys
import warnings
from itertools import groupby
from pathlib import Path

# jsonschema builds a grammar of web addresses when it is imported, which no notebook's schema asks for: it is
# half of the time that a run needs to start.
sys.modules.setdefault("rfc3987_syntax", None)

import nbformat  # noqa: E402

from aelib._paths import PACKAGE  # noqa: E402
from aelib.series.spec import UsageError  # noqa: E402

INDEX = "aelib_cell"  # key in a cell's metadata while it runs: its index in the source notebook
SHOWN = 20_000  # characters of a printed output that are published
PRINTS = 100  # such outputs of a cell that are published


def read(path):
    """The notebook of a file, in format 4; raises UsageError where there is none."""
    try:
        content = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a notebook: not UTF-8 text") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            notebook = nbformat.reads(content, as_version=4)
            nbformat.validate(notebook)
    except Exception as error:  # nbformat raises nearly anything on JSON that is not a notebook
        reason = "not JSON" if isinstance(error, nbformat.reader.NotJSONError) else str(error).partition("\n")[0]
        raise UsageError(f"{path} is not a notebook: {reason[:120]}") from None
    return notebook


def parameter_defaults(notebook, name):
    """{name: value} of the cell tagged `parameters`; raises UsageError where it is not plain assignments."""
    cells = [cell for cell in notebook.cells if "parameters" in _tags(cell)]
    if len(cells) != 1:
        raise UsageError(f"{name} must have one cell tagged `parameters`; found {len(cells)}")
    values = {}
    try:
        for statement in ast.parse(cells[0].source).body:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            values.update({target.id: ast.literal_eval(statement.value) for target in targets})
    except (SyntaxError, ValueError, AttributeError):
        raise UsageError(f"{name}: its `parameters` cell must hold assignments of literals only") from None
    return values


def code_cells(notebook):
    """The indices of the cells that a run must execute: code that is not empty."""
    return [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]


def stripped(notebook):
    """A copy with nothing left of an earlier run; each cell knows its index, whatever papermill inserts."""
    notebook = nbformat.from_dict(notebook)
    for index, cell in enumerate(notebook.cells):
        cell.metadata[INDEX] = index
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.cells = [cell for cell in notebook.cells if "injected-parameters" not in _tags(cell)]
    return notebook


def text(notebook):
    """The text of a notebook's file."""
    return nbformat.writes(notebook) + "\n"


def executed(path, source):
    """The notebook that a worker left, or the source where it was killed before it left a whole one."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError):
        return nbformat.from_dict(source)


def published(executed, done, broken, hide):
    """The executed notebook, made fit to publish.

    Args:
        executed: as papermill left it, however the run ended.
        done: indices (in the source notebook) of the cells that the kernel answered "ok".
        broken: indices of the cells that were begun and have no such answer.
        hide: as `private` gives it.
    """
    executed.cells = [cell for cell in executed.cells if "papermill-error-cell-tag" not in _tags(cell)]
    for cell in executed.cells:
        index = cell.metadata.pop(INDEX, None)
        if cell.cell_type != "code":
            cell.metadata.pop("papermill", None)
            continue
        begun = index in done or index in broken or (index is None and cell.execution_count is not None)
        # papermill marks every cell "completed" when a kernel dies.
        status = "failed" if index in broken else "completed" if begun else "pending"
        cell.metadata["papermill"] = {**cell.metadata.get("papermill", {}), "status": status}
        cell.outputs = _joined(cell.outputs)
        for output in cell.outputs:
            _clean(output, hide)
    about = executed.metadata.get("papermill", {})
    for key in ("input_path", "output_path", "environment_variables"):
        about.pop(key, None)
    return executed


def private(scratch):
    """{path or environment value of this machine: what a published file shows in its place}, longest first.

    Of the environment whatever could be a path, a key or a name of this machine: eight characters and more that are
    not just a word, or every "tensorflow" would be gone.
    """
    own = [value for name, value in os.environ.items() if not name.startswith(("AELIB_RUN", "KERAS", "TF_", "OMP_"))]
    values = [part for value in own for part in (value, *value.split(os.pathsep))]
    found = {value: "…" for value in values if len(value) >= 8 and not value.isalpha()}
    found |= dict.fromkeys((str(scratch), sys.prefix, sys.base_prefix, str(PACKAGE.parent)), "…")
    found[str(Path.home())] = "~"
    return {value: found[value] for value in sorted(found, key=len, reverse=True) if len(value) > 1}


def hidden(text, hide):
    """The text without what `private` found."""
    for value, instead in hide.items():
        text = text.replace(value, instead)
    return text


def shortened(text, limit=SHOWN):
    """The text, or its beginning and end with a line between them that says what was left out."""
    if len(text) <= limit:
        return text
    head, tail = text[: limit // 2], text[-limit // 2 :]
    head = head[: head.rfind("\n") + 1] or head + "\n"
    tail = tail[tail.find("\n") + 1 :] or tail
    lines = text.count("\n") - head.count("\n") - tail.count("\n")
    characters = len(text) - len(head) - len(tail)
    return f"{head}[... {max(lines, 0):,} lines, {characters:,} characters left out ...]\n{tail}"


def _joined(outputs):
    """The outputs with prints in a row as one, and of a great many prints the first and the last."""
    joined = []
    for _, group in groupby(outputs, key=lambda output: output.get("name") or id(output)):
        first, *more = group
        if more:
            first.text = "".join(output.text for output in (first, *more))
        joined.append(first)
    left_out = [output for output in joined if output.output_type == "stream"][PRINTS // 2 : -PRINTS // 2]
    if left_out:
        left_out[0].text = f"[... {len(left_out):,} outputs left out ...]\n"
        gone = {id(output) for output in left_out[1:]}
        joined = [output for output in joined if id(output) not in gone]
    return joined


def _clean(output, hide):
    if output.output_type == "stream":
        # Of a progress bar only the last state, as a terminal shows it.
        text = re.sub(r"(?m)^.*\r(?=[^\r\n])", "", output.text)
        output.text = hidden(shortened(text), hide)
    elif output.output_type == "error":
        output.evalue = hidden(shortened(output.evalue), hide)
        output.traceback = [hidden(shortened(line), hide) for line in output.traceback]
    else:
        for kind, shown in output.data.items():
            if (isinstance(shown, str) and not kind.startswith("image/")) or kind == "image/svg+xml":
                output.data[kind] = hidden(shortened(shown) if kind == "text/plain" else shown, hide)


def _tags(cell):
    return cell.metadata.get("tags", [])
