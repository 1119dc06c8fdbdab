"""Checks of what `explorer.browse` shows: images for each item and step, and the texts that belong to them."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from aelib import _validation as validation
from aelib._figure import checked_images


def titled(values: Any, name: str, allowed: Iterable[str] | None = None) -> Mapping[str, Any]:
    """Return a dictionary with titles as its keys, all of them `allowed`."""
    titles = list(values) if isinstance(values, Mapping) else []
    if not titles or not all(isinstance(title, str) and title.strip() for title in titles):
        received = f"the keys {titles}" if isinstance(values, Mapping) else type(values).__name__
        raise ValueError(f"{name} must be a dictionary whose keys are one title or more; received {received}")
    if allowed is not None and (unknown := [title for title in titles if title not in allowed]):
        raise ValueError(f"{name} must have titles of panels as its keys, {list(allowed)}; received {unknown}")
    return values


def texts(values: Any, name: str, count: int | None = None) -> list[str]:
    """Return numbers or texts as texts, checked to be `count`."""
    result = validation.array(values, name)
    if result.ndim != 1 or not len(result) or count not in (None, len(result)):
        wanted = "(n,)" if count is None else f"({count},), one for each item"
        raise ValueError(f"{name} must be numbers or texts of shape {wanted}; received shape {result.shape}")
    return [f"{one:g}" if isinstance(one, float) else str(one).strip() or "?" for one in result.tolist()]


def images(values: Any, name: str, count: int, steps: int) -> np.ndarray:
    """Return the images of a panel as (count, steps or 1, height, width, channels)."""
    received = validation.numeric(values, name)
    result = received[:, None] if received.ndim == 4 else received
    if result.ndim != 5 or len(result) != count or result.shape[1] not in (1, steps) or result.shape[4] not in (1, 3):
        wanted = f"({count}, height, width, channels)"
        wanted += f" or ({count}, {steps}, height, width, channels), one image for each step," if steps > 1 else ""
        raise ValueError(f"{name} must have shape {wanted} with 1 or 3 channels; received {received.shape}")
    checked_images(np.concatenate(result), name)
    return result


def captions(values: Any, name: str, count: int, steps: int) -> list[list[str]]:
    """Return a list for each item: of one text for each step, or of one for all steps."""
    rows = values.tolist() if isinstance(values, np.ndarray) else values
    wanted = f"{count} lists of {steps} texts, one for each step" if steps > 1 else f"{count} texts, one for each item"
    if not isinstance(rows, list | tuple) or len(rows) != count:
        received = f"{len(rows)} of them" if isinstance(rows, list | tuple) else type(values).__name__
        raise ValueError(f"{name} must be {wanted}; received {received}")
    rows = [[row] if isinstance(row, str) else row for row in rows]
    for index, row in enumerate(rows):
        are_texts = isinstance(row, list | tuple) and all(isinstance(text, str) for text in row)
        if not are_texts or len(row) not in (1, steps):
            received = f"{len(row)} texts" if are_texts else f"{row!r:.60}"
            raise ValueError(f"{name} must be {wanted}; received {received} for item {index}")
    return [list(row) for row in rows]
