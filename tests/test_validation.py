"""aelib._validation: what each check returns, and that its message names argument, expectation and value."""

import keras
import numpy as np
import pytest
from helpers import images_like, refusal

from aelib import _validation


@pytest.mark.parametrize("value", [1, 7, np.int64(7), np.uint8(7), np.array(7)])
def test_integers_of_python_and_numpy_become_ints(value):
    found = _validation.integer(value, "k")
    assert found == value and type(found) is int


@pytest.mark.parametrize("value", [0, -1, 2.0, np.float32(2), "2", True, np.True_, None, [2], np.array([2, 3])])
def test_anything_else_is_no_positive_integer(value):
    assert refusal(lambda: _validation.integer(value, "k")).startswith("k must be a positive integer; received ")


@pytest.mark.parametrize(
    ("bounds", "good", "bad", "allowed"),
    [
        ({"minimum": 0}, 0, -1, "an integer of 0 or more"),
        ({"minimum": 2}, 2, 1, "an integer of 2 or more"),
        ({"maximum": 5}, 5, 6, "an integer from 1 to 5"),
        ({"minimum": 0, "maximum": 5000}, 5000, 5001, "an integer from 0 to 5,000"),
        ({"minimum": 3, "maximum": 5}, 3, 2, "an integer from 3 to 5"),
    ],
)
def test_integers_out_of_bounds_are_refused(bounds, good, bad, allowed):
    assert _validation.integer(good, "k", **bounds) == good
    assert refusal(lambda: _validation.integer(bad, "k", **bounds)) == f"k must be {allowed}; received {bad}"


def test_a_seed_is_an_integer_of_32_bits():
    assert _validation.seed(0) == 0 and _validation.seed(np.uint32(2**32 - 1)) == 2**32 - 1
    expected = "seed must be an integer from 0 to 4,294,967,295; received "
    assert refusal(lambda: _validation.seed(-1)) == f"{expected}-1"
    assert refusal(lambda: _validation.seed(2**32)) == f"{expected}{2**32}"
    assert refusal(lambda: _validation.seed(1.5, "shift")).startswith("shift must be ")


def test_several_integers_are_a_tuple_of_ints():
    assert _validation.integers([np.int64(3), 4], "hidden") == (3, 4)
    assert _validation.integers((), "hidden") == ()
    assert refusal(lambda: _validation.integers(3, "hidden")).endswith("a tuple of positive integers; received 3")
    assert refusal(lambda: _validation.integers((3, 0), "hidden")).endswith("a positive integer; received 0")


@pytest.mark.parametrize("value", [(8, 8), (8, 8, 1, 1), 8, "abc", None])
def test_an_image_shape_has_three_sizes(value):
    message = refusal(lambda: _validation.image_shape(value))
    assert message == f"image_shape must be (height, width, channels); received {value!r}"
    assert _validation.image_shape([4, np.int64(6), 1]) == (4, 6, 1)


@pytest.mark.parametrize(
    ("low", "high", "bounds", "good", "bad", "allowed"),
    [
        (0, np.inf, "[]", [0, 1e30, np.float32(2), np.int64(3)], [-1e-9, np.inf, np.nan], "a finite number, 0 or more"),
        (0, np.inf, "(]", [1e-9, 5], [0, -1, np.inf], "a finite number above 0"),
        (-np.inf, np.inf, "[]", [-1e30, 0], [-np.inf, np.inf, np.nan, "1"], "a finite number"),
        (0, 1, "[]", [0, 1, 0.5], [-0.1, 1.1], "a number in [0, 1]"),
        (0, 1, "()", [0.1], [0, 1], "a number in (0, 1)"),
        (0, 1, "[)", [0], [1], "a number in [0, 1)"),
        (-2, 3, "(]", [3], [-2], "a number in (-2, 3]"),
    ],
)
def test_numbers_lie_within_bounds_of_which_each_may_be_excluded(low, high, bounds, good, bad, allowed):
    for value in good:
        found = _validation.number(value, "weight", low, high, bounds=bounds)
        assert found == value and type(found) is float
    for value in [*bad, "0.5", True, np.True_, None, [0.5], 1j]:
        message = refusal(lambda value=value: _validation.number(value, "weight", low, high, bounds=bounds))
        assert message == f"weight must be {allowed}; received {value!r}"


def test_what_was_received_is_shown_in_one_short_line():
    message = refusal(lambda: _validation.number("a\nb" + 200 * "c", "weight"))
    assert len(message) < 160 and message.endswith("ccc...")
    assert refusal(lambda: _validation.number("c" * 78, "weight")).endswith("c'")
    message = refusal(lambda: _validation.number(np.zeros((2, 3)), "weight"))
    assert message.endswith("received ndarray of shape (2, 3)")


@pytest.mark.backend
def test_arrays_lists_and_tensors_become_float32():
    images = images_like((3, 3, 1))
    tensor = keras.ops.convert_to_tensor(images)
    for values in (images, images.astype("float64"), images.tolist(), list(images), tensor, list(tensor)):
        found = _validation.numeric(values, "x")
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, images)
    assert _validation.numeric(images, "x") is images, "copied for nothing"
    assert _validation.numeric([True, False], "x", "float64").tolist() == [1.0, 0.0]


@pytest.mark.backend
def test_half_precision_tensors_become_float32():
    for dtype in ("float16", "bfloat16"):
        tensor = keras.ops.cast(keras.ops.convert_to_tensor([0.5, 0.25]), dtype)
        assert _validation.numeric(tensor, "x").tolist() == [0.5, 0.25]


@pytest.mark.backend
@pytest.mark.only_on("torch")
def test_tensors_that_require_a_gradient_become_arrays():
    import torch

    tensor = torch.tensor([1.0, 2.0], requires_grad=True)
    assert _validation.numeric(tensor, "x").tolist() == [1, 2]
    assert _validation.numeric([tensor, 2 * tensor], "x").tolist() == [[1, 2], [2, 4]]


@pytest.mark.parametrize("wrong", ["abc", ["a", "b"], np.ones(3, complex), [[1, 2], [3]], {"a": 1}, None, object()])
def test_what_is_no_array_of_real_numbers_is_refused(wrong):
    assert refusal(lambda: _validation.numeric(wrong, "x")).startswith("x must be ")


def test_an_empty_array_is_refused_unless_it_is_allowed():
    assert refusal(lambda: _validation.numeric([], "x")) == "x must not be empty; received shape (0,)"
    assert _validation.numeric([], "x", allow_empty=True).shape == (0,)
    assert "must not be empty" in refusal(lambda: _validation.images(np.zeros((0, 8, 8, 1))))
    assert _validation.images(np.zeros((0, 8, 8, 1)), allow_empty=True).shape == (0, 8, 8, 1)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_where_finite_ones_are_asked_for(wrong):
    values = [1.0, wrong, wrong]
    assert refusal(lambda: _validation.numeric(values, "z", finite=True)).startswith("z must be finite; received 2 ")
    assert _validation.numeric(values, "z").shape == (3,)
    assert _validation.numeric([1.0], "z", finite=True) == 1


def test_images_have_four_axes_and_the_hint_fits():
    assert refusal(lambda: _validation.images(np.zeros((8, 8, 1)), "x")).endswith("received (8, 8, 1): write x[None]")
    assert refusal(lambda: _validation.images(np.zeros((8, 8, 3)), "x")).endswith("received (8, 8, 3): write x[None]")
    # Many images without an axis of channels are no single image.
    assert refusal(lambda: _validation.images(np.zeros((5, 8, 8)), "x")).endswith("received (5, 8, 8)")
    assert refusal(lambda: _validation.images(np.zeros((8, 8)), "x")).endswith("received (8, 8)")


def test_images_have_the_channels_asked_for():
    assert _validation.images(np.zeros((1, 2, 2, 3)), channels=(1, 3)).shape == (1, 2, 2, 3)
    message = refusal(lambda: _validation.images(np.zeros((1, 2, 2, 2)), channels=(1, 3)))
    assert message == "images must have 1 or 3 channels, the last axis; received shape (1, 2, 2, 2)"


@pytest.mark.parametrize(
    ("low", "high", "hint"), [(0, 255, True), (3, 200, True), (0, 2, False), (-1, 255, False), (0, 256, False)]
)
def test_images_in_another_range_are_refused_and_bytes_are_recognized(low, high, hint):
    images = np.zeros((1, 1, 2, 1)) + np.reshape([low, high], (1, 1, 2, 1))
    message = refusal(lambda: _validation.images(images))
    assert message.startswith(f"images must lie in [0, 1]; received values from {low} to {high}")
    assert message.endswith("divide by 255") is hint


def test_both_ends_of_a_range_belong_to_it_and_nan_does_not():
    _validation.within(np.array([-1.0, 2.0]), "y", (-1, 2))
    for values in ([-1.5, 0], [0, 2.5], [0, np.nan]):
        with pytest.raises(ValueError, match=r"y must lie in \[-1, 2\]; received values from "):
            _validation.within(np.array(values), "y", (-1, 2))


def test_reconstructions_may_overshoot_a_little():
    _validation.images(np.reshape([-10.0, 10.0], (1, 1, 2, 1)), limits=_validation.OVERSHOOT)
    for wrong in ([-10.1, 0], [0, 10.1]):
        message = refusal(lambda w=wrong: _validation.images(np.reshape(w, (1, 1, 2, 1)), limits=_validation.OVERSHOOT))
        assert message.startswith("images must lie in [0, 1]; received values from ")


def test_a_pair_has_one_shape_and_double_precision():
    first, second = _validation.pair(np.ones((2, 3), "float32"), [[1, 2, 3]] * 2)
    assert first.dtype == second.dtype == np.float64
    message = refusal(lambda: _validation.pair(np.ones((2, 3)), np.ones((2, 1)), ("clean", "noisy")))
    assert message == "clean and noisy must have the same shape; received (2, 3) and (2, 1)"


@pytest.mark.parametrize("values", [[1, 0, 7], ["cat", "dog", "cat"], np.array([1.5, 2, 3])])
def test_labels_are_numbers_or_texts_one_for_each(values):
    assert _validation.labels(values, 3).tolist() == list(values)
    message = refusal(lambda: _validation.labels(values, 4))
    assert message == "labels must have shape (4,), one for each code; received (3,)"
