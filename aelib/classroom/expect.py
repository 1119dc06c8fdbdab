"""What a test received and what it expected in; silence out, or an AssertionError that helps who reads it."""

import numpy as np


def close(what, received, expected, *, tolerance=1e-5):
    """Two arrays (or numbers) of one shape whose entries differ by the tolerance at most, absolute plus relative.

    Args:
        what: name of what is compared, for the message.
        received: what the tested code returned.
        expected: what it should have.
    """
    got, expected = _numbers(what, received), np.asarray(expected, dtype=float)
    assert got.shape == expected.shape, f"{what}: expected shape {expected.shape}, received shape {got.shape}"
    allowed = tolerance * (1 + np.abs(expected))
    wrong = ~(np.abs(got - expected) <= allowed)
    if wrong.any():
        place = tuple(int(index[0]) for index in np.nonzero(np.atleast_1d(wrong)))
        where = f" at {place}" if expected.ndim else ""
        wanted, had = np.atleast_1d(expected)[place], np.atleast_1d(got)[place]
        share = f"{int(wrong.sum())} of {wrong.size} entries differ"
        raise AssertionError(f"{what}: expected {wanted:.6g}{where}, received {had:.6g}; {share}")


def shape(what, received, expected):
    """An array of this shape with finite entries."""
    got = _numbers(what, received)
    assert got.shape == tuple(expected), f"{what}: expected shape {tuple(expected)}, received shape {got.shape}"


def at_most(what, received, bound):
    """A finite number no larger than the bound."""
    number = _number(what, received)
    assert number <= bound, f"{what}: expected at most {bound:.4g}, received {number:.4g}"


def at_least(what, received, bound):
    """A finite number no smaller than the bound."""
    number = _number(what, received)
    assert number >= bound, f"{what}: expected at least {bound:.4g}, received {number:.4g}"


def equal(what, received, expected):
    """Equal whole numbers, texts or truth values, of the same kind."""
    kinds = (int, str, bool)
    assert type(received) in kinds, f"{what}: expected {expected!r}, received a {type(received).__name__}"
    assert received == expected, f"{what}: expected {expected!r}, received {received!r}"


def _number(what, received):
    got = _numbers(what, received)
    assert got.size == 1, f"{what}: expected one number, received shape {got.shape}"
    return float(got.reshape(()))


def _numbers(what, received):
    if hasattr(received, "detach"):
        received = received.detach()
    try:
        got = np.asarray(received)
        assert got.dtype.kind in "biuf", f"{what}: expected numbers, received {type(received).__name__}"
        got = got.astype(float)
    except (TypeError, ValueError, RuntimeError):
        raise AssertionError(f"{what}: expected numbers, received {type(received).__name__}") from None
    assert np.isfinite(got).all(), (
        f"{what}: expected finite numbers, received {int((~np.isfinite(got)).sum())} that are not"
    )
    return got
