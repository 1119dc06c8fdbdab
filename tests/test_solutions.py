"""The worked solutions run without a warning; in a file of their own, so that a second process can take them."""

import re
from pathlib import Path

import papermill
import pytest

SOLUTIONS = sorted((Path(__file__).parents[1] / "notebooks" / "solutions").glob("*.ipynb"))


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_solutions_run_without_a_warning(path, tmp_path):
    done = papermill.execute_notebook(path, tmp_path / "out.ipynb", parameters={"epochs": 1}, progress_bar=False)
    outputs = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    written = "".join(output.text for output in outputs if output.get("name") == "stderr")
    assert not re.search(r"\w+Warning: ", written), written
