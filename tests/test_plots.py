"""aelib.plots: every picture carries its text, shows what it was given, and opens no window."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from aelib import plots


def images(count=6, channels=1, size=8):
    return np.random.default_rng(0).random((count, size, size, channels), dtype=np.float32)


CODES = np.random.default_rng(1).random((30, 2))
LABELS = np.arange(30) % 10
DRAWN = {
    "axes": lambda channels, alt: plots.axes(2, 3, alt=alt)[0],
    "image_rows": lambda channels, alt: plots.image_rows({"a": images(6, channels), "b": images(6, channels)}, alt=alt),
    "image_grid": lambda channels, alt: plots.image_grid(images(6, channels), columns=4, alt=alt),
    "mosaic": lambda channels, alt: plots.mosaic(images(6, channels), columns=3, alt=alt),
    "code_map": lambda channels, alt: plots.code_map(CODES, LABELS, alt=alt),
    "curves": lambda channels, alt: plots.curves({"a": ([1, 2], [3, 4])}, xlabel="x", ylabel="y", alt=alt),
}


@pytest.fixture(autouse=True)
def nothing_is_shown(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a picture was shown")

    monkeypatch.setattr(plt, "show", refuse)
    monkeypatch.setattr(Figure, "show", refuse)
    yield
    assert plt.get_fignums() == []


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_a_figure_that_a_notebook_shows_as_png_with_its_text(name, channels):
    figure = DRAWN[name](channels, " Six pictures of noise ")
    assert isinstance(figure, Figure) and figure.alt == "Six pictures of noise"
    data, metadata = figure._repr_mimebundle_()
    assert data["text/plain"] == "Six pictures of noise"
    shown = Image.open(io.BytesIO(data["image/png"]))
    assert metadata == {"image/png": {"alt": "Six pictures of noise", "width": shown.width * 2 // 3}}
    assert shown.format == "PNG" and all(100 < side < 3000 for side in shown.size)
    # Drawn at twice the size of the figure, less the margins that hold nothing.
    for side, inches in zip(shown.size, figure.get_size_inches(), strict=True):
        assert 0.6 * 144 * inches < side < 1.3 * 144 * inches
    assert np.asarray(shown.convert("L")).std() > 1


def test_every_public_function_is_among_those_tried():
    public = {name for name, value in vars(plots).items() if getattr(value, "__module__", "") == plots.__name__}
    assert {name for name in public if not name.startswith("_")} == {*DRAWN, "Picture"}


@pytest.mark.parametrize("alt", ["", "  ", None, 3])
@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_without_text_is_refused(name, alt):
    with pytest.raises(ValueError, match=f"alt must be a sentence that says what the picture shows; received {alt!r}"):
        DRAWN[name](1, alt)


def pixels(ax):
    (image,) = ax.get_images()
    assert image.get_clim() == (0, 1)
    return np.asarray(image.get_array())


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_show_each_image_under_its_title_and_beside_its_label(channels):
    first, second = images(3, channels), images(6, channels)[3:]
    figure = plots.image_rows({"original": first, "copy": second}, titles=["x", "y", "z"], alt="Rows")
    grid = np.reshape(figure.axes, (2, 3))
    for line, expected in zip(grid, (first, second), strict=True):
        for ax, image in zip(line, expected, strict=True):
            np.testing.assert_array_equal(pixels(ax), image[..., 0] if channels == 1 else image)
    assert [line[0].get_ylabel() for line in grid] == ["original", "copy"]
    assert [ax.get_title() for ax in grid[0]] == ["x", "y", "z"]


def test_a_grid_leaves_places_without_an_image_empty():
    figure = plots.image_grid(images(5), columns=3, titles=list("abcde"), alt="Grid")
    assert [len(ax.get_images()) for ax in figure.axes] == [1] * 5 + [0]
    assert [ax.get_title() for ax in figure.axes] == [*"abcde", ""] and not figure.axes[-1].axison
    np.testing.assert_array_equal(pixels(figure.axes[4]), images(5)[4, ..., 0])


def test_values_outside_the_range_are_clipped_not_rescaled():
    values = np.array([-1, 0.25, 0.5, 2], "float32").reshape(1, 2, 2, 1)
    np.testing.assert_array_equal(pixels(plots.image_grid(values, alt="Four").axes[0]), [[0, 0.25], [0.5, 1]])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_mosaic_lays_images_edge_to_edge_row_by_row(channels):
    tiles = images(6, channels, size=4)
    figure = plots.mosaic(tiles, columns=3, extent=(0, 1, 2, 3), labels=("z1", "z2"), alt="Mosaic")
    expected = np.concatenate([np.concatenate(list(tiles[start : start + 3]), axis=1) for start in (0, 3)])
    (ax,) = figure.axes
    np.testing.assert_array_equal(pixels(ax), expected[..., 0] if channels == 1 else expected)
    assert list(ax.get_images()[0].get_extent()) == [0, 1, 2, 3]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("z1", "z2")


@pytest.mark.parametrize("kind", [np.asarray, lambda values: values.tolist()])
def test_a_code_map_draws_every_code_with_its_class_in_a_colour_of_its_own(kind):
    figure = plots.code_map(kind(CODES), kind(LABELS), axis_labels=("p", "q"), alt="Map")
    (ax,) = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("p", "q")
    groups = ax.collections
    assert len(groups) == 10 and len({tuple(group.get_facecolor()[0]) for group in groups}) == 10
    for digit, group in enumerate(groups):
        np.testing.assert_array_equal(group.get_offsets(), CODES[np.equal(LABELS, digit)])
    shapes = {group.get_paths()[0].vertices.tobytes() for group in groups}
    assert len(shapes) == 10


@pytest.mark.parametrize("shape", [(30, 3), (30,), (30, 1), (30, 2, 1)])
def test_codes_that_are_no_points_of_a_plane_are_refused(shape):
    with pytest.raises(ValueError) as caught:
        plots.code_map(np.zeros(shape), LABELS, alt="Map")
    assert str(caught.value) == f"codes must have shape (n, 2); received {shape}"


def test_labels_must_be_as_many_as_codes():
    with pytest.raises(ValueError, match=r"labels must have shape \(30,\), one for each code; received \(29,\)"):
        plots.code_map(CODES, LABELS[1:], alt="Map")


def test_curves_show_their_values_and_differ_in_more_than_colour():
    lines = {f"line {k}": ([0, 1, 2], [k, k + 1, k]) for k in range(12)}
    figure = plots.curves(lines, xlabel="epoch", ylabel="test MSE", levels={"PCA": 0.5}, alt="Curves")
    (ax,) = figure.axes
    drawn, level = ax.get_lines()[:12], ax.get_lines()[12]
    for line, (label, (x, y)) in zip(drawn, lines.items(), strict=True):
        assert line.get_label() == label
        np.testing.assert_array_equal(line.get_xydata(), np.transpose([x, y]))
    assert len({(line.get_color(), str(line._unscaled_dash_pattern)) for line in drawn}) == 12
    assert len({str(line._unscaled_dash_pattern) for line in drawn[:7]}) == 7
    assert list(level.get_ydata()) == [0.5, 0.5] and [text.get_text() for text in ax.texts] == ["PCA"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(lines)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "test MSE", "linear")


@pytest.mark.parametrize(("top", "few"), [(0.05, False), (50, True)])
def test_a_logarithmic_axis_has_numbers_to_read(top, few):
    figure = plots.curves({"a": ([1, 2], [0.011, top])}, xlabel="x", ylabel="y", logy=True, alt="Curve")
    (ax,) = figure.axes
    figure.canvas.draw()
    assert ax.get_yscale() == "log"
    low, high = ax.get_ylim()
    shown = [
        tick.label1.get_text()
        for tick in [*ax.yaxis.get_major_ticks(), *ax.yaxis.get_minor_ticks()]
        if tick.label1.get_text() and low <= tick.get_loc() <= high
    ]
    assert 3 <= len(shown) <= 12 and all(float(text) > 0 for text in shown)
    assert any(ax.yaxis.get_minor_formatter().format_ticks([0.02])) is not few


def test_drawing_on_given_axes_returns_their_figure():
    figure, (left, right) = plots.axes(1, 2, alt="Two plots")
    assert plots.curves({"a": ([1, 2], [3, 4])}, xlabel="x", ylabel="y", ax=left) is figure
    assert plots.code_map(CODES, LABELS, ax=right, alt="Unused") is figure
    assert figure.alt == "Two plots" and len(left.get_lines()) == 1 and len(right.collections) == 10


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.image_rows({"a": images(3), "b": images(2)}, alt="x"), r"equally many.*\{'a': 3, 'b': 2\}"),
        (lambda: plots.image_rows({"a": images(3)}, titles=["one"], alt="x"), "title for each; received .* and 1 titl"),
        (lambda: plots.image_rows({}, alt="x"), r"rows must hold .* received \{\}"),
        (lambda: plots.image_grid(images(0), alt="x"), "images must not be empty .* received 0 images"),
        (lambda: plots.image_grid(images(3), titles=["one"], alt="x"), "received 3 images and 1 titles"),
        (lambda: plots.mosaic(images(5), columns=3, alt="x"), "images must fill whole rows of 3; received 5"),
    ],
)
def test_images_and_titles_that_do_not_fit_are_refused_with_their_numbers(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
