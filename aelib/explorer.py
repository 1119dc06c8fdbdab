"""Explore the first two latent dimensions: an interactive map of decoded images, for mouse, touch and keys.

One output holds all of it: it works in JupyterLab and in a page from disk, without a kernel and without a network.
"""

import base64
import io
import json
import math
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from aelib import _validation as validation
from aelib._deprecated import renamed_arguments
from aelib._figure import checked_images, label_marks, tile

MARK = 'class="aelib-explorer"'  # of the element that SCRIPT replaces with a map
SCRIPT = Path(__file__).with_name("explorer.js").read_text(encoding="utf-8")
MAX_BYTES = 1_500_000  # of the whole output


class Explorer:
    """A map that a notebook shows, and in its place a `picture` where no script can run."""

    def __init__(self, html: str, picture: Any):
        self.html, self.picture = html, picture

    def _repr_mimebundle_(self, include=None, exclude=None):
        data, metadata = self.picture._repr_mimebundle_(include, exclude)
        return {"text/html": f"{self.html}<script>{SCRIPT}</script>", **data}, metadata

    @property
    def bytes(self) -> int:
        """Size of the output, as a notebook's file stores it."""
        data, _ = self._repr_mimebundle_()
        return sum(-(-len(part) // 3) * 4 if isinstance(part, bytes) else len(part.encode()) for part in data.values())


@renamed_arguments(shown="max_images")
def explore(
    decode: Callable[[np.ndarray], ArrayLike],
    codes: ArrayLike,
    images: ArrayLike,
    labels: ArrayLike,
    *,
    picture: Any,
    extent: tuple[float, float, float, float] | None = None,
    points: int = 41,
    max_images: int = 1000,
) -> Explorer:
    """Return a map of the first two latent dimensions: the decoded image at each point and the nearest of the images.

    Args:
        decode: (n, latent_dim) -> (n, height, width, channels) in [0, 1], such as `Autoencoder.decode`.
        codes: (n, latent_dim), two dimensions at least. In the decoded images those past the second are at their mean;
            the nearest code is the one nearest in the first two.
        images: (n, height, width, channels) in [0, 1], with 1 or 3 channels, that the codes belong to.
        labels: (n,) numbers or texts, drawn at the codes.
        picture: what is shown where no script can run, such as `plots.code_map(...)`.
        extent: (left, right, bottom, top) of the map; from the lowest to the highest code by default.
        points: grid points per side, from 2 to 101, that are decoded; the map shows the nearest one.
        max_images: how many of the images the map shows at most, the first ones.

    Raises:
        ValueError: for arguments that do not fit together, or a map of more than 1.5 MB.
    """
    codes = validation.numeric(codes, "codes", "float64", finite=True)
    if codes.ndim != 2 or codes.shape[1] < 2:
        raise ValueError(f"codes must have shape (n, 2 or more); received {codes.shape}")
    images = checked_images(images)
    if len(images) != len(codes):
        raise ValueError(f"images must have shape ({len(codes)}, height, width, channels); received {images.shape}")
    labels, count = validation.labels(labels, len(codes)), validation.integer(max_images, "max_images")
    points = validation.integer(points, "points", minimum=2, maximum=101)
    mean, codes, images = codes.mean(axis=0), codes[:count], images[:count]
    names, marks, colors, indices = label_marks(labels[:count])
    extent = extent or np.transpose([codes.min(axis=0), codes.max(axis=0)])[:2].ravel().tolist()
    bounds = validation.numeric(extent, "extent", "float64")
    if bounds.shape != (4,) or not (bounds[0] < bounds[1] and bounds[2] < bounds[3]):
        raise ValueError(f"extent must be (left, right, bottom, top), left < right, bottom < top; received {extent}")
    left, right, bottom, top = bounds
    grid = np.tile(mean.astype("float32"), (points, points, 1))
    grid[..., 0] = np.linspace(left, right, points)
    grid[..., 1] = np.linspace(top, bottom, points)[:, None]
    decoded = checked_images(decode(grid.reshape(points**2, -1)), "decode(codes)")
    columns = math.ceil(math.sqrt(len(images)))
    data = {
        "extent": bounds.tolist(),
        "points": points,
        "dimensions": len(mean),
        "size": images.shape[1:3],
        "columns": columns,
        "codes": np.round(codes[:, :2], 4).ravel().tolist(),
        "labels": indices.tolist(),
        "names": names,
        "marks": marks,
        "colors": colors,
        "images": _png(images, columns),
    }
    html = (
        f'<div {MARK} data-map="{escape(json.dumps(data, separators=(",", ":")))}"><img src="{_png(decoded, points)}" '
        f'alt="Decoded images over the latent plane, {points} by {points}" width="480"></div>'
    )
    explorer = Explorer(html, picture)
    if explorer.bytes > MAX_BYTES:
        raise ValueError(
            f"the map takes {explorer.bytes:,} bytes, at most {MAX_BYTES:,} are allowed; reduce points or max_images"
        )
    return explorer


def _png(images, columns):
    """Return images edge to edge as the address of a PNG, in 64 shades: half of the bytes, no visible change."""
    shades = np.round(np.round(np.clip(images, 0, 1) * 63) * (255 / 63)).astype("uint8")
    sheet = tile(shades, columns)
    buffer = io.BytesIO()
    Image.fromarray(sheet[..., 0] if sheet.shape[-1] == 1 else sheet).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
