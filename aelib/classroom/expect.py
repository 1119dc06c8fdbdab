"""Assertions for the tests of an assignment, with messages that help students."""

import numpy as np


def close(what: str, received: object, expected: object, *, tolerance: float = 1e-5) -> None:
    """Assert that arrays (or numbers) have the same shape and close entries.

    Args:
        what: name of what is compared, for the message.
        received: what the student's code returned.
        expected: what it should have returned.
        tolerance: of each entry, absolute plus relative.
    """
    received, expected = _numbers(what, received), np.asarray(expected, dtype=float)
    _assert_shape(what, received, expected.shape)
    wrong = ~(np.abs(received - expected) <= tolerance * (1 + np.abs(expected)))
    if wrong.any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        where, count = f" at {index}" if index else "", f"{int(wrong.sum())} of {wrong.size} entries differ"
        raise AssertionError(f"{what}: expected {expected[index]:.6g}{where}, received {received[index]:.6g}; {count}")


def shape(what: str, received: object, expected: tuple[int, ...]) -> None:
    """Assert that an array has this shape, and finite entries."""
    _assert_shape(what, _numbers(what, received), tuple(expected))


def at_most(what: str, received: object, bound: float) -> None:
    """Assert that a number is finite and not larger than the bound."""
    number = _number(what, received)
    assert number <= bound, f"{what}: expected at most {bound:.4g}, received {number:.4g}"


def at_least(what: str, received: object, bound: float) -> None:
    """Assert that a number is finite and not smaller than the bound."""
    number = _number(what, received)
    assert number >= bound, f"{what}: expected at least {bound:.4g}, received {number:.4g}"


def equal(what: str, received: object, expected: int | str | bool) -> None:
    """Assert that an integer, string or boolean equals the expected one."""
    kind = type(received)
    assert kind in (int, str, bool), f"{what}: expected {expected!r}, received a {kind.__name__}"
    assert received == expected, f"{what}: expected {expected!r}, received {received!r}"


def _assert_shape(what, array, expected):
    assert array.shape == expected, f"{what}: expected shape {expected}, received shape {array.shape}"


def _number(what, received):
    array = _numbers(what, received)
    assert array.size == 1, f"{what}: expected one number, received shape {array.shape}"
    return array.item()


def _numbers(what, received):
    if hasattr(received, "detach"):
        received = received.detach()
    try:
        array = np.asarray(received)
    except (TypeError, ValueError, RuntimeError):
        array = np.empty(0, dtype=object)
    assert array.dtype.kind in "biuf", f"{what}: expected numbers, received {type(received).__name__}"
    invalid = int((~np.isfinite(array)).sum())
    assert not invalid, f"{what}: expected finite numbers, received {invalid} that are NaN or infinite"
    return array.astype(float)
