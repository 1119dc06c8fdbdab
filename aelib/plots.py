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
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from aelib import _validation as validation
from aelib._deprecated import renamed_names
from aelib._diagram import network_diagram
from aelib._figure import COLORS, INK, MAX_WIDTH, Picture, axes, label_marks, text_width
from aelib._image_plots import image_grid, image_rows, mosaic

__all__ = [
    "COLORS",
    "MAX_WIDTH",
    "Picture",
    "axes",
    "bars",
    "code_map",
    "curves",
    "image_grid",
    "image_rows",
    "mosaic",
    "network_diagram",
]
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
HATCHES = ("//", "", "..", "\\", "xx", "--", "++", "oo")
__getattr__ = renamed_names(__name__, {"COLOURS": f"{__name__}.COLORS"})


def code_map(
    codes: ArrayLike,
    labels: ArrayLike,
    *,
    axis_labels: tuple[str, str] = ("code 1", "code 2"),
    latent_dim: int = 2,
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Plot two-dimensional codes, each drawn as its label or the first letters of it, in a color per label.

    Args:
        codes: (n, 2).
        labels: (n,) numbers or texts.
        axis_labels: (x label, y label).
        latent_dim: dimensions that the codes have; if they are more than two, the plot says that it leaves some out.
    """
    points = validation.numeric(codes, "codes", "float64", finite=True)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"codes must have shape (n, 2); received {points.shape}")
    names, marks, colors, indices = label_marks(validation.labels(labels, len(points)))
    ax, bold = ax or axes(size=(MAX_WIDTH, 4.5), alt=alt)[1], FontProperties(weight="bold")
    for index, (name, mark, color) in enumerate(zip(names, marks, colors, strict=True)):
        text = TextPath((0, 0), mark, size=9, prop=bold)  # the color of thin strokes is hard to see
        box = text.get_extents()
        marker = Path(np.asarray(text.vertices) - np.mean([box.min, box.max], axis=0), text.codes)
        x, y = points[indices == index].T
        # A marker's size is the square of its longer side in points: letters of 9 points then.
        area = max(box.width, box.height) ** 2
        ax.scatter(x, y, s=area, marker=marker, linewidths=0.2, color=color, label=name)
    left_out = validation.integer(latent_dim, "latent_dim", minimum=2) - 2
    note = f"\n({left_out} of {latent_dim} dimensions not drawn)" if left_out else ""
    ax.set(xlabel=axis_labels[0] + note, ylabel=axis_labels[1])
    if marks != names:
        _legend_above(ax)
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
        levels: {label: y value}, such as {"PCA, test": 0.05}, of baselines, drawn as dashed gray lines with their
            label at the right end. If the curves are of another split, say in the label which one the value is of.
        logy: whether the y axis is logarithmic.
        marker: Matplotlib marker at the points; a curve with a single point has one in any case.
    """
    if not isinstance(lines, Mapping) or not lines:
        raise ValueError(f"lines must be {{label: (x values, y values)}}, one at least; received {lines!r:.80}")
    points = {label: _points(values, f"lines[{label!r}]") for label, values in lines.items()}
    ax = ax or axes(size=(MAX_WIDTH, 3.4), alt=alt)[1]
    for index, (label, (x, y)) in enumerate(points.items()):
        # Where the colors begin again, each has another style.
        line_style = STYLES[(index + index // len(COLORS)) % len(STYLES)]
        visible = marker or ("o" if np.isfinite(y).sum() == 1 else None)
        ax.plot(x, y, label=label, color=COLORS[index % len(COLORS)], linestyle=line_style, marker=visible)
    levels = {label: validation.number(value, f"levels[{label!r}]", -np.inf) for label, value in (levels or {}).items()}
    for value in levels.values():
        ax.axhline(value, color=INK, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if all(x.dtype.kind in "iu" for x, _ in points.values()):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if logy:
        _log_scale(ax)
    _label_levels(ax, levels)
    _legend_above(ax)
    return cast(Figure, ax.figure)


def bars(
    groups: Mapping[str, ArrayLike],
    *,
    categories: Sequence[object],
    xlabel: str,
    ylabel: str,
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Plot groups of bars side by side that differ in color and hatching, such as the error per class of two methods.

    Args:
        groups: {label: heights}, a height for each category.
        categories: names of the categories.
        xlabel, ylabel: names of the axes, with units.
    """
    names = [str(one) for one in categories]
    if not names:
        raise ValueError("categories must not be empty; received none")
    if not isinstance(groups, Mapping) or not groups:
        raise ValueError(f"groups must be {{label: heights}}, one at least; received {groups!r:.80}")
    heights = {label: validation.numeric(values, f"groups[{label!r}]", "float64") for label, values in groups.items()}
    for label, values in heights.items():
        if values.shape != (len(names),):
            raise ValueError(
                f"groups[{label!r}] must have {len(names)} heights, one for each category; received {values.shape}"
            )
    ax = ax or axes(size=(MAX_WIDTH, 3), alt=alt)[1]
    width, positions = 0.8 / len(heights), np.arange(len(names))
    for index, (label, values) in enumerate(heights.items()):
        offset = (index - (len(heights) - 1) / 2) * width
        # The edges have the color of the hatching; without a width they are not drawn.
        look: dict[str, Any] = {
            "color": COLORS[index % len(COLORS)],
            "hatch": HATCHES[index % len(HATCHES)],
            "edgecolor": "white",
        }
        ax.bar(positions + offset, values, 0.92 * width, label=label, linewidth=0, **look)
    slanted: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(positions, names, **(slanted if sum(map(len, names)) > 40 else {}))
    ax.grid(False, axis="x")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    _legend_above(ax)
    return cast(Figure, ax.figure)


def _legend_above(ax):
    """Add a legend above the axes, where it covers no curve, in as many columns as fit."""
    handles, names = ax.get_legend_handles_labels()
    columns = int((MAX_WIDTH - 0.8) // (text_width(names) + 0.6))  # inches, with the samples of the lines
    options = {"loc": "lower left", "bbox_to_anchor": (0, 1), "fontsize": 9, "frameon": False}
    ax.legend(handles, names, ncols=min(max(columns, 1), 4), **options)


def _log_scale(ax):
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    low, high = ax.get_ylim()
    ax.yaxis.set_minor_formatter(NullFormatter())
    # Within one decade the major ticks alone would leave an axis with a single number.
    if high / low < 3:
        ax.yaxis.set_major_locator(MaxNLocator(5))
    elif high / low < 15:  # the numbers 7 and 9 would touch 8 and 10
        ax.yaxis.set_minor_formatter(lambda y, _: "" if f"{y:e}"[0] in "79" else f"{y:g}")


def _label_levels(ax, levels):
    """Write the name of each level at the right end of its line, moved up where it would touch the one below."""
    free = -np.inf  # height in points from which on nothing is written
    to_points = 72 / ax.figure.dpi
    for label, value in sorted(levels.items(), key=lambda level: level[1]):
        text = textwrap.fill(str(label), 14, break_long_words=False)
        height = 11 * (text.count("\n") + 1)
        at = ax.transData.transform((0, value))[1] * to_points
        moved = max(at, free + height / 2)
        free = moved + height / 2
        place = {"xytext": (3, moved - at), "textcoords": "offset points", "va": "center", "fontsize": 9}
        ax.annotate(text, (1, value), xycoords=("axes fraction", "data"), **place)


def _points(values, name):
    try:
        x, y = values
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be (x values, y values); received {values!r:.80}") from None
    x, y = validation.array(x, f"x of {name}"), validation.numeric(y, f"y of {name}", "float64")
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"{name} must have as many x as y values, (n,) each; received {x.shape} and {y.shape}")
    return x, y
