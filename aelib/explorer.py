"""Interactive figures for mouse, touch and keys: a map of the latent plane, and thumbnails to choose from.

One output holds a whole figure: it works in JupyterLab and in a page from disk, without a kernel and without a network.
"""

import base64
import io
import json
import math
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from aelib import _panels
from aelib import _validation as validation
from aelib._deprecated import renamed_arguments
from aelib._figure import checked_images, label_marks, tile

MARK = 'class="aelib-explorer"'  # of the element that SCRIPT replaces with an interactive figure
SCRIPT = Path(__file__).with_name("explorer.js").read_text(encoding="utf-8")
MAX_BYTES = 1_500_000  # of the whole output


class Explorer:
    """An interactive figure that a notebook shows, and in its place a `picture` where no script can run."""

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
    alt = f"Decoded images over the latent plane, {points} by {points}"
    return _explorer("map", data, _image(_png(decoded, points), alt, 480), picture, "reduce points or max_images")


def browse(
    thumbnails: ArrayLike,
    panels: Mapping[str, ArrayLike],
    *,
    steps: ArrayLike | None = None,
    step_name: str = "",
    captions: Mapping[str, Any] | None = None,
    names: ArrayLike | None = None,
    initial_step: int = 0,
    picture: Any,
) -> Explorer:
    """Return thumbnails to choose from, a slider, and panels with images of the chosen item at the slider's step.

    Args:
        thumbnails: (n, height, width, channels) in [0, 1], with 1 or 3 channels: the items, such as patches.
        panels: {title: images}, shown side by side: (n, number of steps, height, width, channels) in [0, 1], or
            (n, height, width, channels) if they are the same at every step. An image may be wide, such as a row of
            inputs.
        steps: labels of the slider's positions, two or more numbers or texts, such as noise levels; by default there is
            no slider.
        step_name: what the labels are, such as "active atoms"; "step" by default.
        captions: {title of a panel: n lists of one text for each step}, such as "error 0.012", shown under the panel;
            instead of a list, one text for every step.
        names: (n,) numbers or texts, one for each item; "item 1", "item 2", ... by default.
        initial_step: index of the step that is shown first.
        picture: what is shown where no script can run, a figure of `aelib.plots`.

    Raises:
        ValueError: for arguments that do not fit together, or a figure of more than 1.5 MB.
    """
    thumbnails = checked_images(thumbnails, "thumbnails")
    count = len(thumbnails)
    labels = [] if steps is None else _panels.texts(steps, "steps")
    if len(labels) == 1:
        raise ValueError(f"steps must be two labels or more; received {labels}: leave it out for images without steps")
    if not isinstance(step_name, str):
        raise ValueError(f"step_name must be a text; received {step_name!r}")
    length = max(1, len(labels))
    panels = _panels.titled(panels, "panels")
    captions = {} if captions is None else _panels.titled(captions, "captions", allowed=panels)
    shown = []
    for title, values in panels.items():
        images = _panels.images(values, f"panels[{title!r}]", count, length)
        texts = _panels.captions(captions.get(title, [""] * count), f"captions[{title!r}]", count, length)
        shown.append({"title": title, "captions": texts, "steps": images.shape[1], **_sheet(np.concatenate(images))})
    data = {
        "names": [f"item {k + 1}" for k in range(count)] if names is None else _panels.texts(names, "names", count),
        "steps": labels,
        "step_name": step_name or "step",
        "step": validation.integer(initial_step, "initial_step", minimum=0, maximum=length - 1),
        "thumbnails": _sheet(thumbnails),
        "panels": shown,
    }
    if not hasattr(picture, "_repr_mimebundle_"):
        raise ValueError(f"picture must be a figure of aelib.plots; received {type(picture).__name__}")
    content, sizes = picture._repr_mimebundle_()
    image = _image(_address(content["image/png"]), **sizes["image/png"])
    return _explorer("browse", data, image, picture, "reduce the number of items, panels or steps, or their size")


def _explorer(kind, data, image, picture, advice):
    """Return the figure that SCRIPT makes of its data, and refuse one that is too large."""
    html = f'<div {MARK} data-{kind}="{escape(json.dumps(data, separators=(",", ":")))}">{image}</div>'
    explorer = Explorer(html, picture)
    if (size := explorer.bytes) > MAX_BYTES:
        what = "map" if kind == "map" else "figure"
        raise ValueError(f"the {what} takes {size:,} bytes, at most {MAX_BYTES:,} are allowed; {advice}")
    return explorer


def _sheet(images):
    """Return images as one picture of roughly equal sides, and where they are in it."""
    height, width = images.shape[1:3]
    columns = min(len(images), math.ceil(math.sqrt(len(images) * height / width)))
    return {"size": [height, width], "columns": columns, "images": _png(images, columns)}


def _png(images, columns):
    """Return images edge to edge as the address of a PNG, in 64 shades: half of the bytes, no visible change."""
    shades = np.round(np.round(np.clip(images, 0, 1) * 63) * (255 / 63)).astype("uint8")
    sheet = tile(shades, columns)
    buffer = io.BytesIO()
    Image.fromarray(sheet[..., 0] if sheet.shape[-1] == 1 else sheet).save(buffer, "PNG", optimize=True)
    return _address(buffer.getvalue())


def _image(address, alt, width):
    return f'<img src="{address}" alt="{escape(alt)}" width="{width}">'


def _address(png):
    return "data:image/png;base64," + base64.b64encode(png).decode()
