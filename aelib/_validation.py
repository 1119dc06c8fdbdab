"""Argument checks: each function returns the converted value, or raises a ValueError that says what was expected."""

import math
import numbers
import operator
from typing import Any

import numpy as np

LARGEST_SEED = 2**32 - 1
# A reconstruction may overshoot [0, 1]; images in 0..255 are beyond this.
OVERSHOOT = (-10.0, 10.0)


def integer(value: Any, name: str, *, minimum: int = 1, maximum: int | None = None) -> int:
    """Return an integer, NumPy's included, as an int; raise ValueError for anything else or out of bounds."""
    try:
        result = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        result = None
    if result is None or result < minimum or (maximum is not None and result > maximum):
        allowed = f"an integer of {minimum} or more" if minimum != 1 else "a positive integer"
        if maximum is not None:
            allowed = f"an integer from {minimum:,} to {maximum:,}"
        raise ValueError(f"{name} must be {allowed}; received {_shown(value)}")
    return result


def seed(value: Any, name: str = "seed") -> int:
    """Return a seed, an integer from 0 to 2**32 - 1."""
    return integer(value, name, minimum=0, maximum=LARGEST_SEED)


def integers(values: Any, name: str) -> tuple[int, ...]:
    """Return positive integers as a tuple, which may be empty."""
    if not isinstance(values, tuple | list):
        raise ValueError(f"{name} must be a tuple of positive integers; received {_shown(values)}")
    return tuple(integer(value, name) for value in values)


def image_shape(value: Any, name: str = "image_shape") -> tuple[int, int, int]:
    """Return (height, width, channels)."""
    if not isinstance(value, tuple | list) or len(value) != 3:
        raise ValueError(f"{name} must be (height, width, channels); received {_shown(value)}")
    height, width, channels = integers(value, name)
    return height, width, channels


def number(value: Any, name: str, low: float = 0.0, high: float = math.inf, *, bounds: str = "[]") -> float:
    """Return a finite real number between two bounds; a round bracket in `bounds` excludes that bound."""
    inside = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    inside = inside and (low <= value if bounds[0] == "[" else low < value)
    inside = inside and (value <= high if bounds[1] == "]" else value < high)
    if not inside:
        if high < math.inf:
            allowed = f"a number in {bounds[0]}{low:g}, {high:g}{bounds[1]}"
        elif low == -math.inf:
            allowed = "a finite number"
        else:
            allowed = f"a finite number, {low:g} or more" if bounds[0] == "[" else f"a finite number above {low:g}"
        raise ValueError(f"{name} must be {allowed}; received {_shown(value)}")
    return float(value)


def array(values: Any, name: str) -> np.ndarray:
    """Return a NumPy array of an array, a list of them, or a tensor of any backend, even one that requires grad."""
    try:
        if isinstance(values, list | tuple):
            values = [array(value, name) for value in values]
        elif hasattr(values, "detach"):
            values = values.detach().cpu()
            values = values.float() if "bfloat16" in str(values.dtype) else values  # NumPy has no bfloat16
        result = np.asarray(values)
    except (ValueError, TypeError, RuntimeError):
        raise ValueError(f"{name} must be an array; received {_shown(values)}") from None
    if result.dtype == object and all(isinstance(value, str) for value in result.flat):
        return result.astype(str)  # a column of pandas
    if result.dtype == object:
        raise ValueError(f"{name} must be an array of numbers; received {_shown(values)}")
    return result


def numeric(
    values: Any, name: str, dtype: str = "float32", *, allow_empty: bool = False, finite: bool = False
) -> np.ndarray:
    """Return an array of real numbers in the given floating-point dtype; if `finite`, check that they are."""
    result = array(values, name)
    if result.dtype.kind not in "biuf" and result.dtype.name != "bfloat16":
        raise ValueError(f"{name} must be real numbers; received {result.dtype} of shape {result.shape}")
    if not result.size and not allow_empty:
        raise ValueError(f"{name} must not be empty; received shape {result.shape}")
    result = result.astype(dtype, copy=False)
    if finite and not (is_finite := np.isfinite(result)).all():
        raise ValueError(f"{name} must be finite; received {np.sum(~is_finite):,} values that are NaN or infinite")
    return result


def images(
    values: Any,
    name: str = "images",
    *,
    limits: tuple[float, float] = (0.0, 1.0),
    channels: tuple[int, ...] = (),
    dtype: str = "float32",
    allow_empty: bool = False,
) -> np.ndarray:
    """Return images as an array (n, height, width, channels) whose values lie within `limits`."""
    result = numeric(values, name, dtype, allow_empty=allow_empty)
    if result.ndim != 4:
        hint = f": write {name}[None]" if result.ndim == 3 and result.shape[-1] in (1, 3) else ""
        raise ValueError(f"{name} must have shape (n, height, width, channels); received {result.shape}{hint}")
    if channels and result.shape[3] not in channels:
        wanted = " or ".join(map(str, channels))
        raise ValueError(f"{name} must have {wanted} channels, the last axis; received shape {result.shape}")
    if result.size:
        within(result, name, limits)
    return result


def within(values: np.ndarray, name: str, limits: tuple[float, float]) -> None:
    """Raise ValueError for an array with a value that is outside the limits or NaN."""
    low, high = values.min(), values.max()
    # Written so that NaN is refused too.
    if not (low >= limits[0] and high <= limits[1]):
        hint = ": divide by 255" if 2 < high <= 255 and low >= 0 else ""
        allowed = "in [0, 1]" if limits == OVERSHOOT else f"in [{limits[0]:g}, {limits[1]:g}]"
        raise ValueError(f"{name} must lie {allowed}; received values from {low:g} to {high:g}{hint}")


def pair(y_true: Any, y_pred: Any, names: tuple[str, str] = ("y_true", "y_pred")) -> tuple[np.ndarray, np.ndarray]:
    """Return two float64 arrays, checked to have the same shape, because NumPy would broadcast them."""
    # In float32, a sum over millions of pixels loses digits that matter when it is compared with a target.
    first, second = numeric(y_true, names[0], "float64"), numeric(y_pred, names[1], "float64")
    if first.shape != second.shape:
        received = f"{first.shape} and {second.shape}"
        raise ValueError(f"{names[0]} and {names[1]} must have the same shape; received {received}")
    return first, second


def labels(values: Any, count: int, name: str = "labels") -> np.ndarray:
    """Return labels, numbers or strings, as an array (count,)."""
    result = array(values, name)
    if result.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},), one for each code; received {result.shape}")
    return result


def _shown(value: Any) -> str:
    if shape := getattr(value, "shape", None):
        return f"{type(value).__name__} of shape {tuple(shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
