"""One look for every figure: readable on light and dark pages, on a phone, and by color-blind readers."""

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.spines import Spine
from matplotlib.text import Text
from matplotlib.textpath import TextPath

from aelib import _validation as validation

# Inches: text of 9 points then has 9 pixels on a phone of 360 pixels, where 328 remain for a figure.
MAX_WIDTH = 4.5
DPI = 144  # of the PNG
# Contrast of 4.3 on white, 4.4 on #111111 and 3.9 on #1e1e1e, where no gray is better than 4.1 on all of them.
INK = "#7A7A7A"
# Contrast of 3 or more on white, #111111 and #1e1e1e, and far from each other, to color-blind readers too: found by a
# search for the largest least distance under simulated protanopia, deuteranopia and tritanopia. The first three are
# farthest apart, for plots with few curves, then the digits that are most alike, such as 4 and 9 or 3 and 5.
COLORS = (
    *("#0F5AF8", "#F84B9E", "#9E9600", "#9687E1", "#BB16AC"),
    *("#D20F26", "#CA8069", "#26783C", "#5A9EAC", "#7A7A7A"),
)
_STYLE = {"axes.spines.top": False, "axes.spines.right": False, "axes.facecolor": "none", "font.size": 10}


class Picture(Figure):
    """A Matplotlib figure, `width` times `height` inches, that a notebook shows as a transparent PNG with its `alt`."""

    def __init__(self, width: float, height: float, alt: str | None, layout: Any = None):
        if not isinstance(alt, str) or not alt.strip():
            raise ValueError(f"alt must be a sentence that says what the picture shows; received {alt!r}")
        super().__init__(figsize=(width, height), dpi=72, layout=layout, facecolor="none")
        FigureCanvasAgg(self)
        self.alt = alt.strip()

    def subplots(self, *args: Any, **kwargs: Any) -> Any:
        """Add axes as `Figure.subplots` does, whatever the user's matplotlibrc says."""
        with style.context(["default", _STYLE]):
            return super().subplots(*args, **kwargs)

    def draw(self, renderer: Any) -> None:
        """Draw the figure; text, axes and lines in black or dark gray, Matplotlib's defaults, become neutral gray."""
        for artist in self.findobj(lambda one: isinstance(one, Text | Line2D | Spine)):
            for name in ("color", "edgecolor", "markeredgecolor", "markerfacecolor"):
                if hasattr(artist, f"get_{name}"):
                    *rgb, alpha = to_rgba(getattr(artist, f"get_{name}")())
                    if alpha and max(rgb) < 0.5 and max(rgb) - min(rgb) < 0.05:
                        artist.set(**{name: INK})
        for legend in self.findobj(Legend):
            legend.get_frame().set(facecolor="none", edgecolor=INK)
        super().draw(renderer)

    def savefig(self, fname: Any, **kwargs: Any) -> None:
        """Save the figure as `Figure.savefig` does, together with what is outside its axes."""
        super().savefig(fname, **{"bbox_inches": "tight", "pad_inches": 0.03, **kwargs})

    def _repr_mimebundle_(self, include=None, exclude=None):
        png, width = self._png()
        if width > 1.01 * MAX_WIDTH * DPI:  # something outside the axes, for which they leave space
            self.set_figwidth(max(1.0, self.get_figwidth() - (width / DPI - MAX_WIDTH)))
            png, width = self._png()
        # A point of print is then one on the screen, where 96 pixels are an inch.
        return {"image/png": png, "text/plain": self.alt}, {"image/png": {"alt": self.alt, "width": width * 96 // DPI}}

    def _png(self):
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=DPI)
        # A PNG begins with its size, the width first.
        return buffer.getvalue(), int.from_bytes(buffer.getvalue()[16:20], "big")


def axes(
    rows: int = 1, columns: int = 1, *, size: tuple[float, float] = (MAX_WIDTH, 3.2), alt: str | None, **kwargs: Any
) -> tuple[Picture, Any]:
    """Return an empty figure that fits a phone, and its axes; axes side by side that do not fit are stacked.

    Args:
        rows, columns: shape of the grid of axes.
        size: (width, height) of one of the axes in inches; narrowed to MAX_WIDTH, the width of a figure.
        kwargs: further arguments of `Figure.subplots`.

    Returns:
        (figure, axes): the axes in the shape that `Figure.subplots(rows, columns)` returns, stacked or not.
    """
    rows, columns = validation.integer(rows, "rows"), validation.integer(columns, "columns")
    width, height = (validation.number(one, "size", bounds="(]") for one in size)
    # Axes that are a little too wide are narrowed and stay side by side.
    beside = columns if columns * width <= 1.2 * MAX_WIDTH else 1
    lines = rows * columns // beside
    figure = Picture(min(width * beside, MAX_WIDTH), height * lines, alt, layout="constrained")
    squeeze = kwargs.pop("squeeze", True)
    grid = figure.subplots(lines, beside, squeeze=False, **kwargs).reshape(rows, columns)
    for ax in grid.flat:
        ax.grid(color=INK, alpha=0.3)
    return figure, grid.squeeze()[()] if squeeze else grid  # one axes is not an array then


def label_marks(labels: np.ndarray) -> tuple[list[str], list[str], list[str], np.ndarray]:
    """Return names, marks (a number or two letters) and colors of the distinct labels, and the index of each label."""
    distinct, indices = np.unique(labels, return_inverse=True)
    numbers = distinct.dtype.kind in "iuf"
    names = [f"{label:g}" if numbers else str(label).strip() or "?" for label in distinct]
    digits = all(name in list("0123456789") for name in names)
    colors = [COLORS[(int(name) if digits else index) % len(COLORS)] for index, name in enumerate(names)]
    return names, [name if numbers else name[:2] for name in names], colors, indices


def checked_images(values: Any, name: str = "images") -> np.ndarray:
    """Return images, reconstructions that overshoot [0, 1] included, as an array."""
    return validation.images(values, name, limits=validation.OVERSHOOT, channels=(1, 3))


def tile(images: np.ndarray, columns: int) -> np.ndarray:
    """Return images edge to edge as one image; a last row that is not full ends with the first images again."""
    rows = np.resize(images, (-(-len(images) // columns), columns, *images.shape[1:]))
    return np.vstack([np.hstack(row) for row in rows])


def text_width(texts: Iterable[str]) -> float:
    """Return the inches of the longest of some texts of 9 points, with a margin, or 0 if all are empty."""
    return max((TextPath((0, 0), text, size=9).get_extents().width / 72 + 0.1 for text in texts if text), default=0)
