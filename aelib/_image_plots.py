"""Plot images in rows, in a grid and edge to edge; `aelib.plots` says what the arguments mean."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from aelib import _validation as validation
from aelib._figure import INK, MAX_WIDTH, Picture, axes, checked_images, text_width, tile

MIN_SIDE = 0.24  # inches, 17 pixels on a phone: images that would be smaller continue on further lines
MAX_HEIGHT = 3 * MAX_WIDTH  # images shrink to it, to MIN_SIDE at most
LINE_HEIGHT = 0.17  # inches of a line of text of 9 points


def image_rows(
    rows: Mapping[str, ArrayLike], *, titles: Sequence[str] | None = None, size: float = 0.8, alt: str
) -> Picture:
    """Plot rows of images, one labeled row per entry, such as originals above their reconstructions.

    Rows with more images than fit continue below all of the rows.

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
    columns = max(counts.values())
    titles, first = _titles(titles, columns), next(iter(checked))
    # Long labels on two lines leave the images more space; a formula cannot be broken.
    labels = {label: label if "$" in label else textwrap.fill(label, 12, break_long_words=False) for label in checked}
    columns = _that_fit(columns, list(labels.values()), size)
    lines = [
        (labels[label], images[start : start + columns], titles[start : start + columns] if label == first else [])
        for start in range(0, len(titles), columns)
        for label, images in checked.items()
    ]
    return _image_axes(lines, columns, size, alt)


def image_grid(
    images: ArrayLike, *, columns: int = 10, titles: Sequence[str] | None = None, size: float = 0.8, alt: str
) -> Picture:
    """Plot images one after another, row by row, each with its title."""
    checked = checked_images(images)
    titles, columns = _titles(titles, len(checked)), _that_fit(validation.integer(columns, "columns"), [], size)
    lines = [("", checked[k : k + columns], titles[k : k + columns]) for k in range(0, len(checked), columns)]
    return _image_axes(lines, columns, size, alt)


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


def _titles(titles, count):
    titles = [str(title) for title in titles] if titles is not None else [""] * count
    if len(titles) != count:
        raise ValueError(f"titles must be {count}, one for each image; received {len(titles)}")
    return titles


def _that_fit(columns, labels, size):
    """Return how many of some columns fit beside the labels, with about as many columns on each line."""
    least = min(MIN_SIDE, validation.number(size, "size", bounds="(]"))
    lines = -(-columns // max(1, int(_space(labels) / least)))
    return -(-columns // lines)


def _space(labels):
    return MAX_WIDTH - text_width("\n".join(labels).split("\n"))


def _image_axes(lines, columns, size, alt):
    """Plot lines of images, each (label, images, titles), of which the last two may be shorter than `columns`."""
    space = _space([label for label, _, _ in lines])
    longest = text_width(title for _, _, titles in lines for title in titles)
    apart = min(min(np.diff(np.flatnonzero(titles)), default=columns) for _, _, titles in lines)
    width = min(size, space / columns)
    tilted = longest > width * apart
    title_height = 0.7 * longest if tilted else 0.2
    if tilted:  # the last one needs space at its right
        width = min(width, (space - title_height) / (columns - 0.5))
    ratios = [images[0].shape[0] / images[0].shape[1] for _, images, _ in lines]
    width = min(width, max(MIN_SIDE, MAX_HEIGHT / sum(ratios)))
    # Inches from the top to each line of images, and its height: labels of several lines may need more than the images.
    heights = [
        max(width * ratio, LINE_HEIGHT * (label.count("\n") + 1 if label else 0))
        for ratio, (label, _, _) in zip(ratios, lines, strict=True)
    ]
    before = [title_height * (index > 0 and any(titles)) for index, (_, _, titles) in enumerate(lines)]
    tops = np.cumsum(before) + np.cumsum([0, *heights[:-1]])
    figure = Picture(width * columns, tops[-1] + heights[-1], alt)
    grid = figure.subplots(len(lines), columns, squeeze=False, subplot_kw={"xticks": [], "yticks": []})
    turn = {"rotation": 45, "ha": "left", "rotation_mode": "anchor"} if tilted else {}
    middles = tops + np.divide(heights, 2)
    for row, (label, images, titles), middle, ratio in zip(grid, lines, middles, ratios, strict=True):
        for column, ax in enumerate(row):
            # The images fill the figure; labels and titles are outside of it.
            side, total = 0.93 * width, figure.get_figheight()
            ax.set_position(
                (column / columns, 1 - (middle + side * ratio / 2) / total, 0.93 / columns, side * ratio / total)
            )
            if column < len(images):
                _show(ax, images[column])
            else:
                ax.set_axis_off()
        for ax, title in zip(row, titles, strict=False):
            ax.set_title(title, fontsize=9, pad=3, **turn)
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
    return figure


def _show(ax, image, **kwargs):
    """Show one image, with a frame that gives black an edge on a dark page and white one on a light page."""
    image = np.clip(image, 0, 1)
    ax.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=1, **kwargs)
    ax.grid(False)
    ax.spines[:].set(visible=True, color=INK, linewidth=0.5)
