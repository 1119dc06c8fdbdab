"""Pictures of images, codes and curves: arrays in, a Figure with alternative text out; nothing is shown."""

import io

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

# Okabe and Ito's palette, which colour-blind readers can tell apart; lines differ in style as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
_LOOK = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "font.size": 10,
}


class Picture(Figure):
    """A Matplotlib figure that a notebook shows as PNG with alternative text, for readers who cannot see it."""

    alt = ""

    def _repr_mimebundle_(self, include=None, exclude=None):
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=2 * self.dpi, facecolor="white")
        png = buffer.getvalue()
        # A PNG begins with its size, the width first. At two thirds of it a point of print is one on the screen.
        about = {"alt": self.alt, "width": int.from_bytes(png[16:20], "big") * 2 // 3}
        return {"image/png": png, "text/plain": self.alt}, {"image/png": about}


def axes(rows=1, columns=1, *, size=(5.0, 3.2), alt, **kwargs):
    """An empty figure for a plot of one's own.

    Args:
        rows, columns: of the grid of axes.
        size: inches of one of the axes, (width, height).
        alt: what the picture shows, in a sentence, for readers who cannot see it.
        kwargs: for `Figure.subplots`.

    Returns:
        (figure, axes), the axes as `Figure.subplots` gives them.

    Raises:
        ValueError: for an empty alternative text.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"alt must be a sentence that says what the picture shows; received {alt!r}")
    with rc_context(_LOOK):
        figure = Picture(figsize=(size[0] * columns, size[1] * rows), dpi=72, layout="constrained")
        FigureCanvasAgg(figure)
        figure.alt = alt.strip()
        return figure, figure.subplots(rows, columns, **kwargs)


def image_rows(rows, *, titles=None, size=0.8, alt):
    """Images in rows, one labelled row per entry, such as originals above their reconstructions.

    Args:
        rows: {label: images (n, height, width, channels) in [0, 1]}, with the same n throughout.
        titles: n short texts above the columns.
        size: inches of an image.
        alt: what the picture shows, in a sentence.

    Returns:
        A Figure.
    """
    counts = {label: len(images) for label, images in rows.items()}
    count = max(counts.values(), default=0)
    if not count or set(counts.values()) != {count} or len(titles or "x" * count) != count:
        received = f"{counts}" + (f" and {len(titles)} titles" if titles else "")
        raise ValueError(f"rows must hold equally many images, one at least, and a title for each; received {received}")
    figure, grid = axes(len(rows), count, size=(size, size), alt=alt, squeeze=False)
    for line, (label, images) in zip(grid, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=True):
            _draw(ax, image)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
    for ax, title in zip(grid[0], titles or [""] * count, strict=True):
        ax.set_title(title, fontsize=9)
    return figure


def image_grid(images, *, columns=10, titles=None, size=0.8, alt):
    """Images one after another, row by row; `titles` stand above them, where given.

    Args:
        images: (n, height, width, channels) in [0, 1].
        columns: images per row.
        titles: n short texts.
        size: inches of an image.
        alt: what the picture shows, in a sentence.

    Returns:
        A Figure.
    """
    if not len(images) or len(titles or images) != len(images):
        received = f"{len(images)} images and {len(titles or [])} titles"
        raise ValueError(f"images must not be empty and titles as many as images; received {received}")
    rows = -(-len(images) // columns)
    figure, grid = axes(rows, columns, size=(size, size * (1.25 if titles else 1)), alt=alt, squeeze=False)
    for index, ax in enumerate(grid.flat):
        if index < len(images):
            _draw(ax, images[index])
            if titles:
                ax.set_title(titles[index], fontsize=8)
        else:
            ax.set_axis_off()
    return figure


def mosaic(images, *, columns, extent=None, labels=None, size=6.0, alt):
    """Images edge to edge in one square frame, such as the decoded points of a grid over the latent plane.

    Args:
        images: (rows * columns, height, width, channels) in [0, 1], the top row first.
        columns: images per row.
        extent: (left, right, bottom, top) of the frame in the units of its axes.
        labels: (x label, y label).
        size: inches of the frame.
        alt: what the picture shows, in a sentence.

    Returns:
        A Figure.
    """
    count, height, width, channels = np.shape(images)
    if not count or count % columns:
        raise ValueError(f"images must fill whole rows of {columns}; received {count}")
    tiles = np.reshape(images, (count // columns, columns, height, width, channels))
    sheet = tiles.transpose(0, 2, 1, 3, 4).reshape(-1, columns * width, channels)
    figure, ax = axes(size=(size, size), alt=alt)
    ax.imshow(_for_display(sheet), cmap="gray", vmin=0, vmax=1, extent=extent, aspect="auto")
    ax.grid(False)
    if labels:
        ax.set(xlabel=labels[0], ylabel=labels[1])
    else:
        ax.set(xticks=[], yticks=[])
    return figure


def code_map(codes, labels, *, axis_labels=("code 1", "code 2"), ax=None, alt):
    """Two-dimensional codes as points, each drawn as the digit of its class and coloured by it.

    Args:
        codes: (n, 2).
        labels: (n,) integers from 0 to 9.
        axis_labels: (x label, y label).
        ax: axes to draw on; new ones when None.
        alt: what the picture shows, in a sentence.

    Returns:
        The Figure.

    Raises:
        ValueError: for codes that do not have two entries each, or labels that are not as many.
    """
    codes, labels = np.asarray(codes), np.asarray(labels)
    if codes.ndim != 2 or codes.shape[1] != 2:
        raise ValueError(f"codes must have shape (n, 2); received {codes.shape}")
    if labels.shape != codes.shape[:1]:
        raise ValueError(f"labels must have shape ({len(codes)},), one for each code; received {labels.shape}")
    if ax is None:
        _, ax = axes(size=(6.0, 5.5), alt=alt)
    shades = [*COLOURS, "#8C6D31", "#7B4173", "#637939"]
    for label in np.unique(labels):
        points = codes[labels == label]
        colour = shades[int(label) % 10]
        ax.scatter(points[:, 0], points[:, 1], s=30, marker=f"${label}$", linewidths=0.2, color=colour)
    ax.set(xlabel=axis_labels[0], ylabel=axis_labels[1])
    return ax.figure


def curves(lines, *, xlabel, ylabel, levels=None, logy=False, marker=None, ax=None, alt=None):
    """Curves in one plot, told apart by colour and by line style.

    Args:
        lines: {label: (x values, y values)}.
        xlabel, ylabel: with units.
        levels: {label: y value}, drawn as thin horizontal lines with their name at the right end.
        logy: logarithmic y axis.
        marker: Matplotlib marker at the points.
        ax: axes to draw on; new ones when None, which need `alt`.
        alt: what the picture shows, in a sentence.

    Returns:
        The Figure.
    """
    if ax is None:
        _, ax = axes(size=(7.0, 3.6), alt=alt)
    for index, (label, (x, y)) in enumerate(lines.items()):
        # After seven lines the colours begin again, each with the next style.
        style = STYLES[(index + index // len(COLOURS)) % len(STYLES)]
        ax.plot(x, y, label=label, color=COLOURS[index % len(COLOURS)], linestyle=style, marker=marker)
    for label, value in (levels or {}).items():
        ax.axhline(value, color="#555555", linewidth=0.8)
        ax.annotate(label, (1.01, value), xycoords=("axes fraction", "data"), va="center", fontsize=9)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if logy:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(_minor_label(ax))
    ax.legend(frameon=False)
    return ax.figure


def _minor_label(ax):
    # Within one decade the major ticks alone would leave an axis with a single number.
    low, high = ax.get_ylim()
    return "{x:g}" if high / low < 15 else NullFormatter()


def _draw(ax, image):
    ax.imshow(_for_display(image), cmap="gray", vmin=0, vmax=1)
    ax.grid(False)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _for_display(image):
    image = np.clip(image, 0, 1)
    return image[..., 0] if image.shape[-1] == 1 else image
