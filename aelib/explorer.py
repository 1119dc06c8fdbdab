"""A decoder, codes and their images in; a map of the latent plane out that answers to mouse and arrow keys.

One output holds all of it: it works in JupyterLab and in a page from disk, without a kernel and without a network.
"""

import base64
import io
import json
from html import escape
from pathlib import Path

import numpy as np

MARK = 'class="aelib-explorer"'  # the element that SCRIPT brings to life
SCRIPT = Path(__file__).with_name("explorer.js").read_text(encoding="utf-8")
LIMIT = 1_500_000  # bytes of the whole output


class Explorer:
    """What `explore` returns: a notebook shows it as a map, and as `picture` where it cannot show a map."""

    def __init__(self, html, picture):
        self.html, self.picture = html, picture

    def _repr_mimebundle_(self, include=None, exclude=None):
        data, metadata = self.picture._repr_mimebundle_(include, exclude)
        return {"text/html": f"{self.html}<script>{SCRIPT}</script>", **data}, metadata

    @property
    def bytes(self):
        """Size of the output, as a notebook's file stores it."""
        data, _ = self._repr_mimebundle_()
        return sum(-(-len(part) // 3) * 4 if isinstance(part, bytes) else len(part.encode()) for part in data.values())


def explore(decode, codes, images, labels, *, picture, extent=None, points=41, shown=1000):
    """A map of the first two latent dimensions: at each place the decoded image, and the nearest of the images.

    Args:
        decode: (n, latent_dim) -> (n, height, width, channels) in [0, 1], such as `Autoencoder.decode`.
        codes: (n, latent_dim), two dimensions at least. Those past the second stay at their mean on the map.
        images: (n, height, width, channels) in [0, 1], with 1 or 3 channels, of which the codes are.
        labels: (n,) integers, drawn at the codes.
        picture: what is shown where no script can run, such as `plots.code_map(...)`.
        extent: (left, right, bottom, top) of the map; from the lowest to the highest code by default.
        points: places per side that are decoded; between them the map shows the nearest one.
        shown: how many of the images are on the map at most; the first ones.

    Returns:
        An Explorer.

    Raises:
        ValueError: for shapes that do not fit, or a map of more than 1.5 MB.
    """
    codes, images, labels = np.asarray(codes), np.asarray(images), np.asarray(labels)
    if codes.ndim != 2 or codes.shape[1] < 2 or not len(codes):
        raise ValueError(f"codes must have shape (n, 2 or more); received {codes.shape}")
    if images.ndim != 4 or len(images) != len(codes) or images.shape[3] not in (1, 3):
        raise ValueError(f"images must have shape ({len(codes)}, height, width, 1 or 3); received {images.shape}")
    if labels.shape != codes.shape[:1]:
        raise ValueError(f"labels must have shape ({len(codes)},), one for each code; received {labels.shape}")
    if type(points) is not int or not 2 <= points <= 101:
        raise ValueError(f"points must be a whole number from 2 to 101; received {points!r}")
    middle, codes, images, labels = codes.mean(axis=0), codes[:shown], images[:shown], labels[:shown]
    low, high = codes[:, :2].min(axis=0), codes[:, :2].max(axis=0)
    left, right, bottom, top = map(float, extent or (low[0], high[0], low[1], high[1]))
    if not (left < right and bottom < top):
        raise ValueError(f"extent must be (left, right, bottom, top), left < right, bottom < top; received {extent}")
    grid = np.tile(middle, (points * points, 1))
    grid[:, 0] = np.tile(np.linspace(left, right, points), points)
    grid[:, 1] = np.repeat(np.linspace(top, bottom, points), points)
    columns = int(np.ceil(np.sqrt(len(images))))
    facts = {
        "extent": [left, right, bottom, top],
        "points": points,
        "size": list(images.shape[1:3]),
        "columns": columns,
        "codes": np.round(codes[:, :2], 4).astype(float).ravel().tolist(),
        "labels": labels.astype(int).tolist(),
        "images": _sheet(images, columns),
    }
    says = f"Decoded images over the latent plane, {points} by {points}"
    html = (
        f'<div {MARK} data-map="{escape(json.dumps(facts, separators=(",", ":")))}">'
        f'<img src="{_sheet(decode(grid), points)}" alt="{says}" width="480"></div>'
    )
    made = Explorer(html, picture)
    if made.bytes > LIMIT:
        raise ValueError(
            f"the map takes {made.bytes:,} bytes, at most {LIMIT:,} are allowed; choose fewer points or shown"
        )
    return made


def _sheet(images, columns):
    """Images edge to edge as the address of a PNG, in 64 shades per channel: half of the bytes, no visible change."""
    from PIL import Image

    count, height, width, channels = np.shape(images)
    rows = -(-count // columns)
    tiles = np.zeros((rows * columns, height, width, channels), np.uint8)
    tiles[:count] = np.round(np.round(np.clip(images, 0, 1) * 63) * (255 / 63))
    sheet = tiles.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, columns * width, channels)
    buffer = io.BytesIO()
    Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
