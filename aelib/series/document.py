"""Read notebook files, prepare them for a run, and clean executed ones for publication."""

import os
import symtable
import sys
import warnings
from pathlib import Path

import nbformat
from nbconvert.preprocessors.coalescestreams import CoalesceStreamsPreprocessor

from aelib._paths import PACKAGE
from aelib.series.spec import UsageError

MAX_OUTPUT_CHARACTERS = 20_000  # of a printed output that are published
MAX_STREAM_OUTPUTS = 100  # of a cell that are published


def read(path: str | Path) -> nbformat.NotebookNode:
    """Return the notebook of a file, with cell ids and without outputs; raise UsageError if it is not one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            notebook = nbformat.v4.upgrade(nbformat.read(path, as_version=4))
            nbformat.validate(notebook)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except Exception as error:  # nbformat raises nearly anything on a file that is not a notebook
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path} is not a notebook: {reason[:120]}") from None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def parameter_names(notebook: nbformat.NotebookNode) -> set[str]:
    """Return the names that the cell tagged `parameters` assigns; raise UsageError if it is not valid Python."""
    sources = [cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    try:
        symbols = symtable.symtable("\n".join(sources), "parameters", "exec").get_symbols()
    except SyntaxError as error:
        raise UsageError(f"the `parameters` cell is not valid Python: {error.msg}") from None
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned()}


def text(notebook: nbformat.NotebookNode) -> str:
    """Return the text of a notebook's file."""
    return nbformat.writes(notebook) + "\n"


def clean(executed: nbformat.NotebookNode, redactions: dict[str, str]):
    """Shorten the long outputs of an executed notebook, and hide paths of this machine, in place."""
    CoalesceStreamsPreprocessor().preprocess(executed, {})
    for cell in executed.cells:
        outputs = cell.get("outputs", [])
        streams = [output for output in outputs if output.output_type == "stream"]
        if left_out := streams[MAX_STREAM_OUTPUTS // 2 : -MAX_STREAM_OUTPUTS // 2]:
            left_out[0].text = f"[... {len(left_out):,} outputs left out ...]\n"
            outputs[:] = [output for output in outputs if all(output is not other for other in left_out[1:])]
        for output in outputs:
            _clean_output(output, redactions)


def publish_parameters(executed: nbformat.NotebookNode, published: dict, redactions: dict[str, str]):
    """Hide the user's own folders in what papermill noted of an executed notebook's parameters, in place."""
    if "parameters" in executed.metadata.get("papermill", {}):
        executed.metadata.papermill.parameters = published
    for cell in executed.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.source = redact(cell.source, redactions)


def redactions(scratch: Path, folders=()) -> dict[str, str]:
    """Return {path or environment value of this machine: what a published file shows instead}, longest first.

    Of the environment, whatever could be a path, a key or a name of this machine: eight characters or more that are
    not just a word, or every "tensorflow" would be gone.
    """
    own = [value for name, value in os.environ.items() if not name.startswith(("AELIB_RUN", "KERAS", "TF_", "OMP_"))]
    values = [part for value in own for part in (value, *value.split(os.pathsep))]
    shown = {value: "…" for value in values if len(value) >= 8 and not value.isalpha()}
    shown |= dict.fromkeys((*folders, str(scratch), sys.prefix, sys.base_prefix, str(PACKAGE.parent)), "…")
    shown[str(Path.home())] = "~"
    return {value: shown[value] for value in sorted(shown, key=len, reverse=True) if len(value) > 1}


def redact(text: str, redactions: dict[str, str]) -> str:
    """Return a text in which the keys of `redactions` are replaced by their values."""
    for value, shown in redactions.items():
        text = text.replace(value, shown)
    return text


def _clean_output(output, redactions):
    if output.output_type == "stream":
        output.text = redact(_shorten(output.text), redactions)
    elif output.output_type == "error":
        output.evalue = redact(_shorten(output.evalue), redactions)
        output.traceback = [redact(_shorten(line), redactions) for line in output.traceback]
    else:
        for kind, shown in output.data.items():
            if isinstance(shown, str) and (kind == "image/svg+xml" or not kind.startswith("image/")):
                output.data[kind] = redact(_shorten(shown) if kind == "text/plain" else shown, redactions)


def _shorten(text):
    """Return a text; of a long one the beginning and the end, with a line between them that says what is missing."""
    half = MAX_OUTPUT_CHARACTERS // 2
    if len(text) <= 2 * half:
        return text
    missing = text[half:-half]
    note = f"[... {missing.count(chr(10)):,} lines, {len(missing):,} characters left out ...]"
    return f"{text[:half]}\n{note}\n{text[-half:]}"
