"""The student's own pictures in the notebooks: compressed in 01, colored in 03, and named without a file's name."""

import ast
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from aelib import data, training

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def sources_of(notebook):
    cells = nbformat.read(NOTEBOOKS / f"{notebook}.ipynb", 4).cells
    return {cell.id: cell.source for cell in cells if cell.cell_type == "code"}


def names_of(sources, **parameters):
    """Return the parameters, modules and functions of a notebook, as its kernel holds them."""
    names = {}
    exec(sources["parameters"], names)
    names |= parameters
    exec(sources["imports"], names)
    for source in sources.values():
        functions = [statement for statement in ast.parse(source).body if isinstance(statement, ast.FunctionDef)]
        exec(compile(ast.Module(functions, []), "notebook", "exec"), names)
    return names


def run_cells(sources, names, *cells):
    """Run some cells and return what the last one shows."""
    for cell in cells[:-1]:
        exec(sources[cell], names)
    *statements, shown = ast.parse(sources[cells[-1]]).body
    exec(compile(ast.Module(statements, []), "notebook", "exec"), names)
    return eval(compile(ast.Expression(shown.value), "notebook", "eval"), names)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of two pictures; and no training, since an untrained network answers, too."""
    sizes = {"aunt-mary.png": (70, 50), "zebra.jpg": (48, 100)}
    for seed, (name, size) in enumerate(sizes.items()):
        pixels = np.random.default_rng(seed).integers(256, size=(*reversed(size), 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    monkeypatch.setattr(training, "fit", lambda *args, **kwargs: None)
    return tmp_path


def check_published(own, printed, figure):
    """Check that a reader of the page learns the errors of the pictures and nothing of the files."""
    assert "own 1" in printed and "own 2" in printed and "chelsea" in printed.split("own 1")[0]
    published = printed + figure.alt + repr([[ax.get_title(), ax.get_ylabel()] for ax in figure.axes])
    assert not any(name in published for name in ("mary", "zebra", str(own)))


def test_a_folder_of_pictures_is_compressed_without_its_files_names(own, capsys):
    sources = sources_of("01_compression")
    names = names_of(sources, pictures=str(own), side_epochs=1)
    cells = [cell for cell in sources if cell.startswith("conv-")]
    assert cells[-2:] == ["conv-pictures", "conv-magnified"]
    figure = run_cells(sources, names, "digits", *cells[:-1])
    rows = np.reshape(figure.axes, (4, 3))
    assert [ax.get_ylabel() for ax in rows[2:, 0]] == ["own 1", "own 2"]
    assert [[ax.images[0].get_array().shape for ax in row] for row in rows[2:]] == [
        [(50, 70, 3)] * 3,
        [(100, 48, 3)] * 3,
    ]
    original, by_pca, by_network = (ax.images[0].get_array() for ax in rows[2])
    np.testing.assert_array_equal(np.round(255 * original), np.asarray(Image.open(own / "aunt-mary.png")))
    np.testing.assert_allclose(by_pca, by_network, atol=1e-4)  # before any training the network is PCA
    assert names["results"]["conv_mse"] == pytest.approx(names["results"]["conv_pca_mse"], rel=1e-3)
    magnified = run_cells(sources, names, cells[-1])
    assert len(magnified.axes) == 12
    check_published(own, capsys.readouterr().out, figure)


def test_a_folder_of_pictures_is_colored_without_its_files_names(own, capsys):
    sources = sources_of("03_denoising")
    names = names_of(sources, pictures=str(own))
    names["brief"] = 1  # epochs, which an earlier cell sets
    figure = run_cells(sources, names, "images", "color-data", "color-unseen-train", "color-own")
    rows = np.reshape(figure.axes, (2, 4))
    assert [ax.get_ylabel() for ax in rows[:, 0]] == ["own 1", "own 2"]
    assert [[ax.images[0].get_array().shape for ax in row] for row in rows] == [[(48, 64, 3)] * 4, [(96, 48, 3)] * 4]
    gray_copy, _, colored, original = (ax.images[0].get_array() for ax in rows[0])
    assert np.ptp(gray_copy, axis=-1).max() == 0 < np.ptp(colored, axis=-1).max()
    written = np.round(255 * original).astype("uint8")
    np.testing.assert_array_equal(written, np.asarray(Image.open(own / "aunt-mary.png"))[:48, :64])
    check_published(own, capsys.readouterr().out, figure)


@pytest.mark.parametrize(("notebook", "cell"), [("01_compression", "digits"), ("03_denoising", "images")])
def test_a_folder_that_does_not_exist_stops_the_notebook_before_any_training(notebook, cell, tmp_path):
    sources = sources_of(notebook)
    names = names_of(sources, pictures=str(tmp_path / "elsewhere"))
    with pytest.raises(data.DataError, match="elsewhere"):
        run_cells(sources, names, cell)


def test_the_pieces_of_a_picture_return_to_their_places():
    names = names_of(sources_of("03_denoising"))
    names["colorize"] = lambda network, gray: gray.repeat(3, axis=3)
    gray = np.random.default_rng(0).random((48, 80, 1))
    np.testing.assert_array_equal(names["in_tiles"](None, gray), gray.repeat(3, axis=2))
