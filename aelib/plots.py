"""Plot images, codes and curves: each function returns a Figure with alternative text and shows nothing.

Arguments of several functions:
    images: (n, height, width, channels) in [0, 1], with 1 or 3 channels.
    columns: images per row.
    titles: short texts above the images; an empty one leaves its space to the one before.
    size: width of an image in inches; less where a row would be wider than MAX_WIDTH.
    alt: sentence that says what the picture shows, for readers who cannot see it.
    ax: axes to draw on; new ones, which need `alt`, when None.

A ValueError names the argument that does not fit, what it must be, and what was received.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.ticker import NullFormatter
from numpy.typing import ArrayLike

from aelib import _validation as validation
from aelib._deprecated import renamed_names
from aelib._figure import COLORS, INK, MAX_WIDTH, Picture, axes, checked_images, label_marks, tile

__all__ = ["COLORS", "MAX_WIDTH", "Picture", "axes", "code_map", "curves", "image_grid", "image_rows", "mosaic"]
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
__getattr__ = renamed_names(__name__, {"COLOURS": f"{__name__}.COLORS"})


def image_rows(
    rows: Mapping[str, ArrayLike], *, titles: Sequence[str] | None = None, size: float = 0.8, alt: str
) -> Picture:
    """Plot rows of images, one labeled row per entry, such as originals above their reconstructions.

    Args:
        rows: {label: images}, equally many in each row.
        titles: one for each column.
    """
    if not isinstance(rows, Mapping):
        raise ValueError(f"rows must be {{label: images}}; received {type(rows).__name__}")
    checked = {str(label): checked_images(images, f"rows[{label!r}]") for label, images in rows.items()}
    counts = {label: len(images) for label, images in checked.items()}
    if len(set(counts.values())) != 1:
        raise ValueError(f"rows must hold equally many images, one at least; received {counts}")
    columns, images = max(counts.values()), [image for row in checked.values() for image in row]
    return _image_axes(images, columns, columns, titles, list(checked), size, alt)


def image_grid(
    images: ArrayLike, *, columns: int = 10, titles: Sequence[str] | None = None, size: float = 0.8, alt: str
) -> Picture:
    """Plot images one after another, row by row, each with its title."""
    checked, columns = checked_images(images), validation.integer(columns, "columns")
    return _image_axes(list(checked), columns, len(checked), titles, [], size, alt)


def mosaic(
    images: ArrayLike,
    *,
    columns: int,
    extent: tuple[float, float, float, float] | None = None,
    labels: tuple[str, str] | None = None,
    size: float = MAX_WIDTH,
    alt: str,
) -> Picture:
    """Plot images edge to edge in one square frame, such as the decoded points of a grid over the latent plane.

    Args:
        images: full rows of images, the top row first.
        extent: (left, right, bottom, top) of the frame in the units of its axes.
        labels: (x label, y label).
        size: side of the frame in inches, MAX_WIDTH at most.
    """
    checked, columns = checked_images(images), validation.integer(columns, "columns")
    if len(checked) % columns:
        raise ValueError(f"images must fill whole rows of {columns}; received {len(checked)}")
    side = min(validation.number(size, "size", bounds="(]"), MAX_WIDTH)
    figure, ax = axes(size=(side, side), alt=alt)
    _show(ax, tile(checked, columns), extent=extent, aspect="auto")
    if labels:
        ax.set(xlabel=labels[0], ylabel=labels[1])
    else:
        ax.set(xticks=[], yticks=[])
    return figure


def code_map(
    codes: ArrayLike,
    labels: ArrayLike,
    *,
    axis_labels: tuple[str, str] = ("code 1", "code 2"),
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Plot two-dimensional codes, each drawn as its label or the first letters of it, in a color per label.

    Args:
        codes: (n, 2).
        labels: (n,) numbers or texts.
        axis_labels: (x label, y label).
    """
    points = validation.numeric(codes, "codes", "float64", finite=True)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"codes must have shape (n, 2); received {points.shape}")
    names, marks, colors, indices = label_marks(validation.labels(labels, len(points)))
    ax = ax or axes(size=(MAX_WIDTH, 4.5), alt=alt)[1]
    for index, (name, mark, color) in enumerate(zip(names, marks, colors, strict=True)):
        text = TextPath((0, 0), mark, size=9)
        box = text.get_extents()
        marker = Path(np.asarray(text.vertices) - np.mean([box.min, box.max], axis=0), text.codes)
        x, y = points[indices == index].T
        # A marker's size is the square of its longer side in points: letters of 9 points then.
        area = max(box.width, box.height) ** 2
        ax.scatter(x, y, s=area, marker=marker, linewidths=0.2, color=color, label=name)
    if marks != names:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, fontsize=9, frameon=False)
    ax.set(xlabel=axis_labels[0], ylabel=axis_labels[1])
    return cast(Figure, ax.figure)


def curves(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    xlabel: str,
    ylabel: str,
    levels: Mapping[str, float] | None = None,
    logy: bool = False,
    marker: str | None = None,
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Plot curves that differ in color and in line style.

    Args:
        lines: {label: (x values, y values)}.
        xlabel, ylabel: names of the axes, with units.
        levels: {label: y value}, drawn as thin horizontal lines with their name at the right end.
        logy: whether the y axis is logarithmic.
        marker: Matplotlib marker at the points.
    """
    if not isinstance(lines, Mapping) or not lines:
        raise ValueError(f"lines must be {{label: (x values, y values)}}, one at least; received {lines!r:.80}")
    points = {label: _points(values, f"lines[{label!r}]") for label, values in lines.items()}
    ax = ax or axes(size=(MAX_WIDTH, 3.4), alt=alt)[1]
    for index, (label, (x, y)) in enumerate(points.items()):
        # Where the colors begin again, each has another style.
        line_style = STYLES[(index + index // len(COLORS)) % len(STYLES)]
        ax.plot(x, y, label=label, color=COLORS[index % len(COLORS)], linestyle=line_style, marker=marker)
    for label, value in (levels or {}).items():
        ax.axhline(validation.number(value, f"levels[{label!r}]", -np.inf), color=INK, linewidth=0.8)
        ax.annotate(label, (1.01, value), xycoords=("axes fraction", "data"), va="center", fontsize=9)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if logy:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        low, high = ax.get_ylim()
        # Within one decade the major ticks alone would leave an axis with a single number.
        ax.yaxis.set_minor_formatter("{x:g}" if high / low < 15 else NullFormatter())
    outside: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 3} if len(lines) > 5 else {}
    ax.legend(frameon=False, **outside)
    return cast(Figure, ax.figure)


def _points(values, name):
    try:
        x, y = values
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be (x values, y values); received {values!r:.80}") from None
    x, y = validation.array(x, f"x of {name}"), validation.numeric(y, f"y of {name}", "float64")
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"{name} must have as many x as y values, (n,) each; received {x.shape} and {y.shape}")
    return x, y


def _image_axes(images, columns, count, titles, labels, size, alt):
    """Plot images row by row, the first `count` with titles, and labels at the left of the rows."""
    titles = [str(title) for title in titles] if titles is not None else [""] * count
    if len(titles) != count:
        raise ValueError(f"titles must be {count}, one for each image; received {len(titles)}")
    # Long labels on two lines leave the images more space; a formula cannot be broken.
    labels = [label if "$" in label else textwrap.fill(label, 12, break_long_words=False) for label in labels]
    space = MAX_WIDTH - _text_width("\n".join(labels).split("\n"))
    width = min(validation.number(size, "size", bounds="(]"), space / columns)
    longest = _text_width(titles)
    tilted = longest > width * min(np.diff(np.flatnonzero(titles)), default=columns)
    height = 0.7 * longest if tilted else 0.2
    if tilted:  # the last one needs space at its right
        width = min(width, (space - height) / (columns - 0.5))
    turn = {"rotation": 45, "ha": "left", "rotation_mode": "anchor"} if tilted else {}
    heights = [width * image.shape[0] / image.shape[1] for image in images[::columns]]
    between = height if any(titles[columns:]) else 0
    figure = Picture(width * columns, sum(heights) + between * (len(heights) - 1), alt)
    # The images fill the figure; labels and titles are outside of it.
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.08, hspace=between / np.mean(heights))
    no_ticks = {"xticks": [], "yticks": []}
    grid = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights, subplot_kw=no_ticks)
    for ax in grid.flat[len(images) :]:
        ax.set_axis_off()
    for ax, image in zip(grid.flat, images, strict=False):
        _show(ax, image)
    for ax, title in zip(grid.flat, titles, strict=False):
        ax.set_title(title, fontsize=9, pad=3, **turn)
    for ax, label in zip(grid[:, 0], labels, strict=False):
        ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
    return figure


def _text_width(texts):
    """Inches of the longest of some texts, with a margin."""
    return max((TextPath((0, 0), text, size=9).get_extents().width / 72 + 0.1 for text in texts if text), default=0)


def _show(ax, image, **kwargs):
    """Show one image, with a frame that gives black an edge on a dark page and white one on a light page."""
    image = np.clip(image, 0, 1)
    ax.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=1, **kwargs)
    ax.grid(False)
    ax.spines[:].set(visible=True, color=INK, linewidth=0.5)
