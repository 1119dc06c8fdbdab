"""aelib.plots: figures have alternative text, plot what they are given, and fit a phone and a dark page."""

import inspect
import io
import itertools

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from skimage import color

from aelib import models, plots


def images(count=6, channels=1, size=8):
    return np.random.default_rng(0).random((count, size, size, channels), dtype=np.float32)


CODES = np.random.default_rng(1).random((30, 2))
LABELS = np.arange(30) % 10
NETWORK = models.lecture_autoencoder()
DRAWN = {
    "axes": lambda channels, alt: plots.axes(2, 3, alt=alt)[0],
    "image_rows": lambda channels, alt: plots.image_rows({"a": images(6, channels), "b": images(6, channels)}, alt=alt),
    "image_grid": lambda channels, alt: plots.image_grid(images(6, channels), columns=4, alt=alt),
    "mosaic": lambda channels, alt: plots.mosaic(images(6, channels), columns=3, alt=alt),
    "code_map": lambda channels, alt: plots.code_map(CODES, LABELS, alt=alt),
    "curves": lambda channels, alt: plots.curves({"a": ([1, 2], [3, 4])}, xlabel="x", ylabel="y", alt=alt),
    "bars": lambda channels, alt: plots.bars({"a": [1, 2]}, categories="bc", xlabel="x", ylabel="y", alt=alt),
    "network_diagram": lambda channels, alt: plots.network_diagram(NETWORK, alt=alt),
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
    png = Image.open(io.BytesIO(data["image/png"]))
    assert metadata == {"image/png": {"alt": "Six pictures of noise", "width": png.width * 2 // 3}}
    assert png.format == "PNG" and all(100 < side < 3000 for side in png.size)
    # Drawn at twice the size of the figure, less the margins that hold nothing.
    for side, inches in zip(png.size, figure.get_size_inches(), strict=True):
        assert 0.6 * 144 * inches < side < 1.3 * 144 * inches
    assert np.asarray(png).std() > 1


def test_every_public_function_is_among_those_tried():
    defined = {name for name, value in vars(plots).items() if getattr(value, "__module__", "") == plots.__name__}
    assert {name for name in defined if not name.startswith("_")} <= {*DRAWN}
    assert {name for name in plots.__all__ if not name.isupper()} == {*DRAWN, "Picture"}


@pytest.mark.parametrize("name", DRAWN)
def test_every_public_function_has_a_docstring_and_type_hints(name):
    function = getattr(plots, name)
    signature = inspect.signature(function)
    assert inspect.getdoc(function) and signature.return_annotation is not signature.empty
    assert all(parameter.annotation is not parameter.empty for parameter in signature.parameters.values())


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


def test_a_grid_leaves_axes_without_an_image_empty():
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
def test_a_code_map_draws_every_code_with_its_class_in_a_color_of_its_own(kind):
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
def test_codes_that_are_not_two_dimensional_are_refused(shape):
    with pytest.raises(ValueError) as caught:
        plots.code_map(np.zeros(shape), LABELS, alt="Map")
    assert str(caught.value) == f"codes must have shape (n, 2); received {shape}"


def test_labels_must_be_as_many_as_codes():
    with pytest.raises(ValueError, match=r"labels must have shape \(30,\), one for each code; received \(29,\)"):
        plots.code_map(CODES, LABELS[1:], alt="Map")


def test_curves_show_their_values_and_differ_in_more_than_color(monkeypatch):
    looks, plot = [], Axes.plot

    def record(ax, *args, **kwargs):
        looks.append((kwargs["color"], kwargs["linestyle"]))
        return plot(ax, *args, **kwargs)

    monkeypatch.setattr(Axes, "plot", record)
    lines = {f"line {k}": ([0, 1, 2], [k, k + 1, k]) for k in range(12)}
    figure = plots.curves(lines, xlabel="epoch", ylabel="test MSE", levels={"PCA": 0.5}, alt="Curves")
    (ax,) = figure.axes
    drawn, level = ax.get_lines()[:12], ax.get_lines()[12]
    for line, (label, (x, y)) in zip(drawn, lines.items(), strict=True):
        assert line.get_label() == label
        np.testing.assert_array_equal(line.get_xydata(), np.transpose([x, y]))
    assert len(looks) == len(set(looks)) == 12 and [color for color, _ in looks] == [one.get_color() for one in drawn]
    assert len({style for _, style in looks[:7]}) == 7
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
    labels = [
        tick.label1.get_text()
        for tick in [*ax.yaxis.get_major_ticks(), *ax.yaxis.get_minor_ticks()]
        if tick.label1.get_text() and low <= tick.get_loc() <= high
    ]
    assert 3 <= len(labels) <= 12 and all(float(text) > 0 for text in labels)
    assert any(ax.yaxis.get_minor_formatter().format_ticks([0.02])) is not few


def test_a_level_is_told_from_a_curve_by_its_dashes_and_named_at_its_end_beside_no_other():
    levels = {"PCA, test": 0.5, "PCA, training": 0.4999, "mean image": 0.9}
    figure = plots.curves({"a": ([1, 2], [0, 1])}, xlabel="x", ylabel="y", levels=levels, alt="Curve")
    (ax,) = figure.axes
    curve, *lines = ax.get_lines()
    assert [line.get_ydata()[0] for line in lines] == list(levels.values())
    assert all(line.is_dashed() and line.get_linewidth() < curve.get_linewidth() for line in lines)
    assert len({line.get_color() for line in lines} | {curve.get_color()}) == 2
    figure.canvas.draw()
    boxes = {text.get_text(): text.get_window_extent() for text in ax.texts}
    assert sorted(boxes) == ["PCA, test", "PCA, training", "mean image"]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes.values(), 2))
    assert all(box.x0 >= ax.get_window_extent().x1 for box in boxes.values())
    height = ax.transData.transform((0, 0.9))[1]
    assert boxes["mean image"].y0 < height < boxes["mean image"].y1


@pytest.mark.parametrize(
    ("y", "marked"), [([0.5], True), ([np.nan, 0.5, np.nan], True), ([0.5, 0.4], False), ([np.nan, 1, 2], False)]
)
def test_a_curve_with_a_single_point_has_a_marker(y, marked):
    figure = plots.curves({"a": (range(1, len(y) + 1), y)}, xlabel="epoch", ylabel="MSE", alt="Curve")
    (line,) = figure.axes[0].get_lines()
    assert (line.get_marker() == "o") is marked


@pytest.mark.parametrize("epochs", [1, 2, 6, 40])
def test_an_axis_of_whole_numbers_has_ticks_at_whole_numbers(epochs):
    lines = {"a": (range(1, epochs + 1), np.ones(epochs)), "b": (list(range(1, epochs + 1)), np.ones(epochs))}
    (ax,) = plots.curves(lines, xlabel="epoch", ylabel="MSE", alt="Curve").axes
    low, high = ax.get_xlim()
    ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
    assert ticks and all(tick == round(tick) for tick in ticks)


@pytest.mark.parametrize("top", [0.012, 0.03, 0.1, 5])
def test_ticks_and_legend_cover_nothing(top):
    lines = {f"a curve {k}": ([1, 8], [0.009 + k / 1e5, top]) for k in range(6)}
    figure = plots.curves(lines, xlabel="epoch", ylabel="MSE", logy=True, alt="Curves")
    (ax,) = figure.axes
    figure.canvas.draw()
    low, high = ax.get_ylim()
    ticks = [*ax.yaxis.get_major_ticks(), *ax.yaxis.get_minor_ticks()]
    boxes = [
        tick.label1.get_window_extent() for tick in ticks if tick.label1.get_text() and low <= tick.get_loc() <= high
    ]
    assert len(boxes) > 1 and not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1


def test_a_code_map_says_which_dimensions_it_leaves_out():
    def label(latent_dim):
        return (
            plots.code_map(CODES, LABELS, axis_labels=("p", "q"), latent_dim=latent_dim, alt="Map").axes[0].get_xlabel()
        )

    assert label(2) == "p" and label(16).startswith("p\n") and "14 of 16 dimensions not drawn" in label(16)


def test_rows_that_do_not_fit_continue_below_all_of_them():
    first, second = images(40), images(80)[40:]
    figure = plots.image_rows({"a": first, "b": second}, titles=range(40), alt="Forty columns")
    labels = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    assert len(labels) >= 4 and labels == ["a", "b"] * (len(labels) // 2)
    grid = np.reshape(figure.axes, (len(labels), -1))
    for given, lines in ((first, grid[::2]), (second, grid[1::2])):
        drawn = [pixels(ax) for ax in lines.flat if ax.get_images()]
        np.testing.assert_array_equal(drawn, given[..., 0])
    assert [ax.get_title() for ax in grid[::2].flat if ax.get_title()] == [str(k) for k in range(40)]
    assert not any(ax.get_title() for ax in grid[1::2].flat)
    figure.canvas.draw()
    boxes = [ax.get_window_extent() for ax in figure.axes if ax.get_images()]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    titles = [ax.title.get_window_extent() for ax in grid.flat if ax.get_title()]
    assert not any(title.overlaps(box) for title in titles for box in boxes)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.image_grid(images(101), columns=101, titles=[f"{k:.1f} x" for k in range(101)], alt="x"),
        lambda: plots.image_grid(images(101), columns=101, alt="x"),
        lambda: plots.image_rows({f"row {k}": images(5) for k in range(40)}, alt="x"),
        lambda: plots.image_rows({"sparse features": images(90), "vanilla features": images(90)}, alt="x"),
    ],
)
def test_many_images_wrap_and_shrink_but_can_still_be_seen(draw):
    figure = draw()
    width, height = Image.open(io.BytesIO(figure._repr_mimebundle_()[0]["image/png"])).size
    assert width <= 1.02 * 144 * plots.MAX_WIDTH and height <= 3.2 * 144 * plots.MAX_WIDTH
    figure.canvas.draw()
    shown = [ax.get_window_extent() for ax in figure.axes if ax.get_images()]
    # A figure is drawn at 72 pixels an inch here, and has 96 on a page.
    assert min(box.width for box in shown) >= 0.2 * 72
    labels = [ax.yaxis.label.get_window_extent() for ax in figure.axes if ax.get_ylabel()]
    assert all(upper.y0 >= lower.y1 - 1 for upper, lower in itertools.pairwise(labels))


def test_bars_stand_side_by_side_and_differ_in_color_and_hatching():
    groups = {"PCA": [1, 2, 3], "autoencoder": [3, 2, 1]}
    figure = plots.bars(groups, categories=[0, 1, 9], xlabel="class", ylabel="test MSE", alt="Bars")
    (ax,) = figure.axes
    for heights, container in zip(groups.values(), ax.containers, strict=True):
        assert [bar.get_height() for bar in container] == heights
    first, second = ax.containers
    assert all(one.get_x() + one.get_width() <= other.get_x() for one, other in zip(first, second, strict=True))
    assert first[0].get_facecolor() != second[0].get_facecolor() and first[0].get_hatch() != second[0].get_hatch()
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0", "1", "9"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(groups)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("class", "test MSE")


def any_size():
    layers = keras.layers
    encoder = keras.Sequential([layers.Input((None, None, 3)), layers.Conv2D(8, 4, strides=4, padding="same")])
    decoder = keras.Sequential([layers.Input((None, None, 8)), layers.Conv2DTranspose(3, 4, strides=4)])
    return models.Autoencoder(encoder, decoder)


DIAGRAMS = {
    "dense": (
        lambda: plots.network_diagram(NETWORK, alt="x"),
        "28 × 28 × 1|784|512|128|32|2|32|128|512|784|28 × 28 × 1",
        5,
    ),
    "convolutional": (
        lambda: plots.network_diagram(
            models.Autoencoder(models.conv_encoder((8, 8, 3), 2, [4]), models.conv_decoder((8, 8, 3), 2, [4])), alt="x"
        ),
        "8 × 8 × 3|4 × 4 × 4|4 × 4 × 2|4 × 4 × 4|4 × 4 × 12|8 × 8 × 3",
        2,
    ),
    "of any size": (
        lambda: plots.network_diagram(any_size(), input_shape=(16, 8, 3), alt="x"),
        "16 × 8 × 3|4 × 2 × 8|16 × 8 × 3",
        1,
    ),
}


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_diagram_has_a_bar_for_every_shape_with_the_code_between_encoder_and_decoder(name):
    draw, shapes, latent = DIAGRAMS[name]
    figure = draw()
    (ax,) = figure.axes
    texts = {text.get_text(): text.get_position()[1] for text in ax.texts}
    shown = [text.get_text().split("  ")[0] for text in ax.texts if "  " in text.get_text()]
    assert shown == shapes.split("|")
    assert texts["encoder"] < texts["latent\nrepresentation"] == latent < texts["decoder"]
    bars = ax.get_lines()
    sizes = [np.prod([int(side) for side in shape.split(" × ")]) for shape in shown]
    widths = [np.ptp(bar.get_xdata()) for bar in bars]
    np.testing.assert_array_equal(np.argsort(sizes, kind="stable"), np.argsort(widths, kind="stable"))
    colors = [bar.get_color() for bar in bars]
    assert colors.count(colors[latent]) == 1 and colors[0] != colors[-1]
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_drawing_on_given_axes_returns_their_figure():
    figure, (left, right) = plots.axes(1, 2, alt="Two plots")
    assert plots.curves({"a": ([1, 2], [3, 4])}, xlabel="x", ylabel="y", ax=left) is figure
    assert plots.code_map(CODES, LABELS, ax=right, alt="Unused") is figure
    assert figure.alt == "Two plots" and len(left.get_lines()) == 1 and len(right.collections) == 10


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.image_rows({"a": images(3), "b": images(2)}, alt="x"), r"equally many.*\{'a': 3, 'b': 2\}"),
        (lambda: plots.image_rows({"a": images(3)}, titles=["one"], alt="x"), "titles must be 3, .* received 1"),
        (lambda: plots.image_rows({}, alt="x"), r"rows must hold .* received \{\}"),
        (lambda: plots.image_rows([images(3)], alt="x"), r"rows must be \{label: images\}; received list"),
        (lambda: plots.image_rows({"a": images(0)}, alt="x"), r"rows\['a'\] must not be empty; received shape \(0, "),
        (lambda: plots.image_grid(images(0), alt="x"), r"images must not be empty; received shape \(0, 8, 8, 1\)"),
        (lambda: plots.image_grid(images(3), titles=["one"], alt="x"), "titles must be 3, .* received 1"),
        (lambda: plots.image_grid(images(3), columns=0, alt="x"), "columns must be a positive integer; received 0"),
        (lambda: plots.image_grid(images(3), size=0, alt="x"), "size must be a finite number above 0; received 0"),
        (lambda: plots.axes(0, 2, alt="x"), "rows must be a positive integer; received 0"),
        (lambda: plots.axes(size=(3, -1), alt="x"), "size must be a finite number above 0; received -1"),
        (lambda: plots.mosaic(images(5), columns=3, alt="x"), "images must fill whole rows of 3; received 5"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_their_numbers(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


PAGES = ("#ffffff", "#111111", "#1e1e1e")


def contrast(color, page):
    """Return the contrast of the Web Content Accessibility Guidelines, from 1 to 21."""

    def luminance(one):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(one)]
        return np.dot(linear, [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(color), luminance(page)))
    return (high + 0.05) / (low + 0.05)


def two_panels():
    figure, panels = plots.axes(1, 2, size=(4.6, 3.4), alt="Two panels, each with a legend")
    lines = {name: (range(9), 10.0 ** -np.arange(9)) for name in ("Glorot", "Glorot times four", "data-dependent")}
    for ax in panels:
        plots.curves(lines, xlabel="layer output", ylabel="gradient: root mean square", logy=True, ax=ax)
    return figure


def bars():
    figure, ax = plots.axes(size=(7, 3), alt="Bars with a legend above")
    for offset, label, hatch in ((-0.2, "PCA", "//"), (0.2, "autoencoder", "")):
        ax.bar(np.arange(10) + offset, 1 + np.arange(10), 0.38, label=label, hatch=hatch, color=plots.COLORS[0])
    ax.set(xlabel="class", ylabel="test MSE", xticks=range(10))
    ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def text_everywhere():
    figure, ax = plots.axes(size=(7, 3.6), alt="A twin axis, a legend and annotations outside the axes")
    ax.plot([1, 2], [1, 2], color=plots.COLORS[1], label="a line with a long name")
    ax.axvline(1.5, color="black")
    ax.axhline(1.5, color="#555555")
    ax.annotate("trained here", (1.5, 1.0), xycoords=("data", "axes fraction"), va="bottom", fontsize=9)
    ax.annotate("far to the right", (1.2, 0.5), xycoords="axes fraction", fontsize=9)
    ax.twinx().set(ylabel="the other axis", ylim=(0, 1000))
    figure.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle("a title")
    return figure


TITLES = ["astronaut", "a long title", "rocket", "retina", "cat", "hubble_deep_field"]
NOISE, WRAPPED = "noise 1.0, network", "noise 1.0,\nnetwork"
ROWS = {"original $X$": images(10), NOISE: images(10)}
CURVE = {"data-dependent": ([1, 2], [0.03, 0.04])}
MANY = {f"curve {k}": ([1, 2], [k, k + 1]) for k in range(12)}
LEVELS = {"mean image": 0.06, "PCA": 0.05}
BARS, CATEGORIES = {"PCA": range(10), "autoencoder": range(10)}, [f"a long name {k}" for k in range(10)]
# name: a figure as the notebooks make them, and whether it has images or hatches, which have all shades
PUBLISHED = {
    "image_rows": (lambda: plots.image_rows(ROWS, alt="x"), True),
    "image_rows, titles": (lambda: plots.image_rows({"a": images()}, titles=TITLES, size=1.15, alt="x"), True),
    "image_rows, pairs": (
        lambda: plots.image_rows(ROWS, titles=["Gaussian", "", "salt, pepper", "", *[""] * 6], alt="x"),
        True,
    ),
    "image_grid": (lambda: plots.image_grid(images(24), columns=12, titles=["0.123"] * 24, alt="x"), True),
    "mosaic": (lambda: plots.mosaic(images(6), columns=3, labels=("$z_1$", "$z_2$"), size=6, alt="x"), True),
    "code_map": (lambda: plots.code_map(CODES, LABELS, alt="x"), False),
    "code_map, texts": (lambda: plots.code_map(CODES, [f"class {k}" for k in LABELS], alt="x"), False),
    "curves, levels": (
        lambda: plots.curves(CURVE, xlabel="epoch", ylabel="MSE", levels=LEVELS, logy=True, alt="x"),
        False,
    ),
    "curves, many": (lambda: plots.curves(MANY, xlabel="x", ylabel="y", alt="x"), False),
    "curves, one point": (
        lambda: plots.curves({"a": ([1], [0.05])}, xlabel="epoch", ylabel="MSE", levels=LEVELS, alt="x"),
        False,
    ),
    "two panels": (two_panels, False),
    "image_rows, many": (
        lambda: plots.image_rows({NOISE: images(60), "b": images(60)}, titles=range(60), alt="x"),
        True,
    ),
    "network_diagram": (lambda: plots.network_diagram(NETWORK, alt="x"), True),
    "bars of many": (lambda: plots.bars(BARS, categories=CATEGORIES, xlabel="class", ylabel="MSE", alt="x"), True),
    "bars": (bars, True),
    "text everywhere": (text_everywhere, False),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_figure_fits_a_phone_and_pages_of_any_color(name):
    make, has_shades = PUBLISHED[name]
    figure = make()
    data, metadata = figure._repr_mimebundle_()
    pixels = np.asarray(Image.open(io.BytesIO(data["image/png"])).convert("RGBA"))
    # Nothing is cut off: what is at the border is the page.
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert not border[:, 3].any()
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    # The page of a phone of 360 pixels leaves 328 for a figure; a point is 4 / 3 pixels before that.
    scale = min(1, 328 / metadata["image/png"]["width"])
    assert min((text.get_fontsize() for text in texts), default=9) * 4 / 3 * scale >= 9
    for text in texts:
        assert contrast(text.get_color(), "#ffffff") >= 4.2 and contrast(text.get_color(), "#111111") >= 4.2
    if not has_shades:
        opaque = np.unique(pixels[pixels[..., 3] >= 200][:, :3], axis=0) / 255
        # Less than 3, as blends of two colors are where they cross.
        assert len(opaque) and min(contrast(color, page) for color in opaque for page in PAGES) > 2.5


@pytest.mark.parametrize(("rows", "titles"), [(ROWS, None), (dict.fromkeys("ab", images()), TITLES)])
def test_images_shrink_to_the_width_of_a_phone_without_gaps_between_rows(rows, titles):
    figure = plots.image_rows(rows, titles=titles, size=1.15, alt="Two rows")
    assert [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()] == [
        {NOISE: WRAPPED}.get(one, one) for one in rows
    ]
    figure._repr_mimebundle_()
    upper, lower = (ax.get_window_extent() for ax in (figure.axes[0], figure.axes[len(figure.axes) // 2]))
    assert 0 < upper.y0 - lower.y1 < 0.1 * upper.height and upper.width == pytest.approx(upper.height)


# Machado, Oliveira and Fernandes 2009, severity 1: what a color-blind reader sees, in linear RGB.
SEEN_BY = {
    "others": np.eye(3),
    "protanopes": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopes": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopes": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("reader", SEEN_BY)
def test_the_colors_of_ten_classes_are_told_apart_by_every_reader(reader):
    rgb = np.array([to_rgb(one) for one in plots.COLORS])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(SEEN_BY[reader]), 0, 1)
    lab = color.xyz2lab(seen @ np.transpose(color.colorconv.xyz_from_rgb))
    apart = color.deltaE_ciede2000(lab[:, None], lab[None])
    pairs = apart[np.triu_indices(10, 1)]
    # About 2 is just noticeable side by side; marks as small as digits need several times that.
    assert pairs.min() > (18 if reader == "others" else 10)
    # Digits that the networks confuse, and so lie side by side on a map.
    assert min(apart[4, 9], apart[7, 9], apart[3, 5], apart[3, 8], apart[5, 8]) > 11
    assert apart[:3, :3][np.triu_indices(3, 1)].min() > 13  # a plot with few curves


def test_the_colors_are_readable_on_light_and_dark_pages():
    assert len(set(plots.COLORS)) == len(plots.COLORS) == 10
    for one, page in itertools.product(plots.COLORS, PAGES):
        assert contrast(one, page) >= 3, (one, page)


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("draw", [plots.image_grid, plots.mosaic])
def test_an_image_has_an_edge_on_a_page_of_its_own_color(draw, value):
    figure = draw(np.full((1, 8, 8, 1), value), columns=1, alt="One color")
    pixels = np.asarray(Image.open(io.BytesIO(figure._repr_mimebundle_()[0]["image/png"])).convert("RGBA"))
    middle = pixels[len(pixels) // 2]
    solid = middle[middle[:, 3] == 255][:, 0]
    assert solid[len(solid) // 2] == 255 * value and {100 < solid[0] < 150, 100 < solid[-1] < 150} == {True}


@pytest.mark.parametrize(
    ("rows", "columns", "width", "stacked"), [(1, 2, 4.6, True), (1, 2, 2.4, False), (2, 4, 2.4, True), (2, 3, 3, True)]
)
def test_axes_that_do_not_fit_side_by_side_are_stacked_but_keep_their_shape(rows, columns, width, stacked):
    figure, grid = plots.axes(rows, columns, size=(width, 2), alt="Panels")
    assert grid.shape == ((rows, columns) if rows > 1 else (columns,))
    assert list(grid.flat) == figure.axes and figure.get_figwidth() <= 4.5
    starts = {round(ax.get_position().x0, 6) for ax in grid.flat}
    assert (len(starts) < columns) is stacked
    assert plots.axes(rows, columns, squeeze=False, alt="Panels")[1].shape == (rows, columns)
    assert not isinstance(plots.axes(alt="One")[1], np.ndarray)


SHOWS = {
    "image_rows": lambda values: plots.image_rows({"a": values}, alt="Images"),
    "image_grid": lambda values: plots.image_grid(values, columns=np.int64(3), size=np.float32(0.5), alt="Images"),
    "mosaic": lambda values: plots.mosaic(values, columns=np.int64(1), alt="Images"),
}


@pytest.mark.backend
@pytest.mark.parametrize("name", SHOWS)
@pytest.mark.parametrize(
    "convert",
    [
        list,
        lambda values: values.tolist(),
        np.float64,
        lambda values: np.round(values).astype(int),
        keras.ops.convert_to_tensor,
        lambda values: keras.Variable(values).value,  # requires a gradient on torch
        lambda values: [keras.Variable(value).value for value in values],
        lambda values: values * 1.2 - 0.1,  # a reconstruction may overshoot
    ],
)
def test_images_of_any_kind_of_array_are_shown(name, convert):
    values = images(3)
    figure = SHOWS[name](convert(values))
    expected = np.clip(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(convert(values))), 0, 1)
    found = np.concatenate([pixels(ax) for ax in figure.axes])
    np.testing.assert_allclose(found, np.concatenate(list(expected[..., 0])), atol=1e-6)


@pytest.mark.parametrize("name", SHOWS)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (255 * images(), "must lie in .0, 1.; received values from .* divide by 255"),
        ((255 * images()).astype("uint8"), "must lie in .0, 1.; received values from .* divide by 255"),
        (images()[0], r"must have shape \(n, height, width, channels\); received \(8, 8, 1\)"),
        (images(channels=2), "must have 1 or 3 channels, the last axis; received shape .6, 8, 8, 2."),
        (np.full((2, 8, 8, 1), np.nan), "must lie in .0, 1.; received values from nan"),
        ("images", "must have shape|must be real numbers"),
        (None, "must be"),
    ],
)
def test_values_that_are_not_images_are_refused_in_one_line(name, values, message):
    argument = r"rows\['a'\]" if name == "image_rows" else "images"
    with pytest.raises(ValueError, match=f"^{argument} (?:{message})") as caught:
        SHOWS[name](values)
    assert "\n" not in str(caught.value)


@pytest.mark.backend
def test_tensors_that_require_a_gradient_are_plotted():
    codes = keras.Variable(CODES).value
    figure = plots.code_map(codes, keras.ops.convert_to_tensor(LABELS), alt="Map")
    for digit, group in enumerate(figure.axes[0].collections):
        np.testing.assert_allclose(group.get_offsets(), CODES[digit == LABELS], rtol=1e-6)
    lines = {"a": (codes[:, 0], codes[:, 1])}
    (line,) = plots.curves(lines, xlabel="x", ylabel="y", alt="Curve").axes[0].get_lines()
    np.testing.assert_allclose(line.get_xydata(), CODES, rtol=1e-6)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["trouser", "bag"] * 15, ["bag", "trouser"]),
        (np.array(["trouser", "bag"] * 15, dtype=object), ["bag", "trouser"]),
        (["$a_b", "\\x^", ""] * 10, ["$a_b", "?", "\\x^"]),
        (np.arange(30), [str(k) for k in range(30)]),
        (np.arange(30) % 3 - 1, ["-1", "0", "1"]),
        (np.arange(30) % 2 + 0.5, ["0.5", "1.5"]),
        (np.arange(30) % 2 == 0, ["False", "True"]),
    ],
)
def test_labels_that_are_not_digits_are_drawn_in_a_color_each(labels, names):
    figure = plots.code_map(CODES, labels, alt="Map")
    groups = figure.axes[0].collections
    assert sorted(group.get_label().lstrip("_") for group in groups) == sorted(names)
    assert len({tuple(group.get_facecolor()[0]) for group in groups}) == min(10, len(names))
    assert len({group.get_paths()[0].vertices.tobytes() for group in groups}) == len(names)
    assert sum(len(group.get_offsets()) for group in groups) == 30
    assert figure._repr_mimebundle_()[0]["image/png"]


def test_a_digit_has_its_color_whichever_others_there_are():
    all_digits = plots.code_map(CODES, LABELS, alt="Map").axes[0].collections
    few = plots.code_map(CODES[:2], [7, 3], alt="Map").axes[0].collections
    for group, digit in zip(few, (3, 7), strict=True):
        np.testing.assert_array_equal(group.get_facecolor(), all_digits[digit].get_facecolor())


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.code_map(np.full((2, 2), np.nan), [1, 2], alt="x"), "codes must be finite; received 4 values"),
        (lambda: plots.code_map(np.zeros((0, 2)), [], alt="x"), r"codes must not be empty; received shape \(0, 2\)"),
        (lambda: plots.code_map("codes", [1], alt="x"), "codes must be real numbers; received"),
        (lambda: plots.curves({}, xlabel="x", ylabel="y", alt="x"), r"lines must be .*, one at least; received \{\}"),
        (lambda: plots.curves([1, 2], xlabel="x", ylabel="y", alt="x"), r"lines must be .* received \[1, 2\]"),
        (lambda: plots.curves({"a": 3}, xlabel="x", ylabel="y", alt="x"), r"lines\['a'\] must be .* received 3"),
        (
            lambda: plots.curves({"a": ([1], [1, 2])}, xlabel="x", ylabel="y", alt="x"),
            r"lines\['a'\] must have as many x as y values.* received \(1,\) and \(2,\)",
        ),
        (
            lambda: plots.curves(CURVE, xlabel="x", ylabel="y", levels={"b": None}, alt="x"),
            r"levels\['b'\] must be .* received None",
        ),
        (
            lambda: plots.curves({"a": ([], [])}, xlabel="x", ylabel="y", alt="x"),
            r"y of lines\['a'\] must not be empty; received shape \(0,\)",
        ),
        (lambda: plots.code_map(CODES, LABELS, latent_dim=1, alt="x"), "latent_dim must be .* 2 or more; received 1"),
        (lambda: plots.bars({}, categories="a", xlabel="x", ylabel="y", alt="x"), r"groups must be .* received \{\}"),
        (
            lambda: plots.bars({"a": [1]}, categories=[], xlabel="x", ylabel="y", alt="x"),
            "categories must not be empty",
        ),
        (
            lambda: plots.bars({"a": [1, 2]}, categories="bcd", xlabel="x", ylabel="y", alt="x"),
            r"groups\['a'\] must have 3 heights, one for each category; received \(2,\)",
        ),
        (lambda: plots.network_diagram(any_size(), alt="x"), r"input_shape must .* received \(None, None, 3\)"),
    ],
)
def test_values_that_cannot_be_plotted_are_refused_in_one_line(draw, message):
    with pytest.raises(ValueError, match=message) as caught:
        draw()
    assert "\n" not in str(caught.value)


def test_the_look_does_not_depend_on_the_users_settings():
    expected = plots.curves(CURVE, xlabel="x", ylabel="y", alt="Curve")
    with plt.rc_context({"axes.facecolor": "red", "font.size": 5, "axes.edgecolor": "blue", "xtick.labelsize": 3}):
        found = plots.curves(CURVE, xlabel="x", ylabel="y", alt="Curve")
    for one, other in zip(found.axes, expected.axes, strict=True):
        assert one.get_facecolor() == other.get_facecolor() == (0, 0, 0, 0)
        assert one.xaxis.label.get_fontsize() == other.xaxis.label.get_fontsize() == 10
        assert one.spines["left"].get_edgecolor() == other.spines["left"].get_edgecolor()


def test_the_former_name_of_the_colors_warns():
    with pytest.warns(DeprecationWarning, match="COLORS"):
        assert plots.COLOURS is plots.COLORS
