"""aelib.classroom.expect: what the assertions accept, and the messages that a student reads."""

import numpy as np
import pytest

from aelib.classroom import expect


def message(assertion, *arguments, **options):
    """Return the message with which an assertion fails."""
    with pytest.raises(AssertionError) as caught:
        assertion("it", *arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)])
def test_close_accepts_exactly_what_numpy_calls_close(shape):
    expected = np.random.default_rng(0).normal(size=shape)
    for difference in (0, 1e-6, 1e-4):
        # NumPy's rule |received - expected| <= atol + rtol |expected|, with both tolerances equal.
        if np.allclose(expected + difference, expected, rtol=1e-5, atol=1e-5):
            expect.close("it", expected + difference, expected)
        else:
            assert f"{expected.size} of {expected.size} entries differ" in message(
                expect.close, expected + difference, expected
            )
    expect.close("it", expected + 1e-4, expected, tolerance=1e-3)


def test_close_says_where_the_first_difference_is():
    received = [[1, 2], [3, 5], [5, 5]]
    text = message(expect.close, received, [[1, 2], [3, 4], [5, 6]])
    assert text == "it: expected 4 at (1, 1), received 5; 2 of 6 entries differ"
    assert message(expect.close, 2, 3.5) == "it: expected 3.5, received 2; 1 of 1 entries differ"


def test_shape_accepts_any_finite_numbers_of_the_shape():
    for received in (np.zeros((2, 3)), [[1, 2, 3], [4, 5, 6]], np.ones((2, 3), bool)):
        expect.shape("it", received, (2, 3))
    assert message(expect.shape, np.zeros((3, 2)), (2, 3)) == "it: expected shape (2, 3), received shape (3, 2)"


@pytest.mark.parametrize("assertion", [expect.close, expect.shape, expect.at_most, expect.at_least])
@pytest.mark.parametrize(
    ("received", "words"),
    [
        ("6.0", "received str"),
        (None, "received NoneType"),
        (1j, "received complex"),
        ([[1], [2, 3]], "received list"),
        (len, "received builtin_function_or_method"),
        (np.array([np.nan, 1]), "expected finite numbers, received 1 that are NaN or infinite"),
        (-np.inf, "expected finite numbers, received 1 that are NaN or infinite"),
    ],
)
def test_anything_but_finite_numbers_is_refused(assertion, received, words):
    assert words in message(assertion, received, 2)


def test_bounds_are_inclusive_and_for_one_number():
    expect.at_most("it", np.array([[2.0]]), 2)
    expect.at_least("it", 2, 2)
    assert message(expect.at_most, 2.5, 2) == "it: expected at most 2, received 2.5"
    assert message(expect.at_least, np.float32(1.5), 2) == "it: expected at least 2, received 1.5"
    assert "expected one number, received shape (2,)" in message(expect.at_most, [1, 1], 2)


def test_equal_accepts_integers_strings_and_booleans():
    for value in (3, "relu", True):
        expect.equal("it", value, value)
    assert message(expect.equal, "gelu", "relu") == "it: expected 'relu', received 'gelu'"
    assert message(expect.equal, 3.0, 3) == "it: expected 3, received a float"
