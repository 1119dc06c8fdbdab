"""The student's own pictures in the notebook on denoising: colored, and named without a file's name."""

import ast
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from aelib import data, training

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "03_denoising.ipynb"


SOURCES = {cell.id: cell.source for cell in nbformat.read(NOTEBOOK, 4).cells if cell.cell_type == "code"}


def names_of_the_notebook(**parameters):
    """Return the parameters, modules and functions of the notebook, as its kernel holds them."""
    names = {}
    exec(SOURCES["parameters"], names)
    names |= parameters
    exec(SOURCES["imports"], names)
    for source in SOURCES.values():
        functions = [statement for statement in ast.parse(source).body if isinstance(statement, ast.FunctionDef)]
        exec(compile(ast.Module(functions, []), str(NOTEBOOK), "exec"), names)
    return names


def run_cells(names, *cells):
    """Run some cells and return what the last one shows."""
    for cell in cells[:-1]:
        exec(SOURCES[cell], names)
    *statements, shown = ast.parse(SOURCES[cells[-1]]).body
    exec(compile(ast.Module(statements, []), str(NOTEBOOK), "exec"), names)
    return eval(compile(ast.Expression(shown.value), str(NOTEBOOK), "eval"), names)


def test_a_folder_of_pictures_is_colored_without_its_files_names(tmp_path, monkeypatch, capsys):
    sizes = {"aunt-mary.png": (70, 50), "zebra.jpg": (48, 100)}
    for seed, (name, size) in enumerate(sizes.items()):
        pixels = np.random.default_rng(seed).integers(256, size=(*reversed(size), 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    monkeypatch.setattr(training, "fit", lambda *args, **kwargs: None)  # an untrained network colors, too
    names = names_of_the_notebook(pictures=str(tmp_path))
    names["brief"] = 1  # epochs, which an earlier cell sets
    figure = run_cells(names, "images", "color-data", "color-unseen-train", "color-own")
    rows = np.reshape(figure.axes, (2, 4))
    assert [ax.get_ylabel() for ax in rows[:, 0]] == ["own 1", "own 2"]
    assert [[ax.images[0].get_array().shape for ax in row] for row in rows] == [[(48, 64, 3)] * 4, [(96, 48, 3)] * 4]
    gray_copy, _, colored, original = (ax.images[0].get_array() for ax in rows[0])
    assert np.ptp(gray_copy, axis=-1).max() == 0 < np.ptp(colored, axis=-1).max()
    written = np.round(255 * original).astype("uint8")
    np.testing.assert_array_equal(written, np.asarray(Image.open(tmp_path / "aunt-mary.png"))[:48, :64])
    printed = capsys.readouterr().out
    assert "own 1" in printed and "own 2" in printed and "chelsea" in printed.split("own 1")[0]
    published = printed + figure.alt + repr([ax.get_title() for ax in figure.axes])
    assert not any(name in published for name in ("mary", "zebra", str(tmp_path)))


def test_a_folder_that_does_not_exist_stops_the_notebook_before_any_training(tmp_path):
    with pytest.raises(data.DataError, match="elsewhere"):
        run_cells(names_of_the_notebook(pictures=str(tmp_path / "elsewhere")), "images")


def test_the_pieces_of_a_picture_return_to_their_places():
    names = names_of_the_notebook()
    names["colorize"] = lambda network, gray: gray.repeat(3, axis=3)
    gray = np.random.default_rng(0).random((48, 80, 1))
    np.testing.assert_array_equal(names["in_tiles"](None, gray), gray.repeat(3, axis=2))
