"""The worked solutions run, in a minute each; in a file of their own, so that a second process can take them."""

from pathlib import Path

import papermill
import pytest

SOLUTIONS = sorted((Path(__file__).parents[1] / "notebooks" / "solutions").glob("*.ipynb"))


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_solutions_run(path, tmp_path):
    papermill.execute_notebook(path, tmp_path / "out.ipynb", parameters={"epochs": 1}, progress_bar=False)
