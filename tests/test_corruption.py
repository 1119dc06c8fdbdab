"""aelib.corruption: arithmetic against NumPy and scikit-image, seeds, and what is refused."""

import keras
import numpy as np
import pytest
from helpers import images_like, refusal
from skimage.transform import resize

from aelib import corruption

RANDOM = {
    "gaussian": corruption.gaussian,
    "masking": corruption.masking,
    "salt_and_pepper": corruption.salt_and_pepper,
}
each_random = pytest.mark.parametrize("name", RANDOM)


def color(count=40, **kwargs):
    return images_like((8, 12, 3), count, **kwargs)


@each_random
def test_a_seed_repeats_the_draw_and_another_one_changes_it(name):
    degrade, images = RANDOM[name], color()
    untouched = images.copy()
    first = degrade(images, 0.3, seed=5)
    np.testing.assert_array_equal(first, degrade(images, 0.3, seed=np.int32(5)))
    assert np.any(first != degrade(images, 0.3, seed=6))
    np.testing.assert_array_equal(images, untouched)
    assert first.dtype == np.float32 and first.shape == images.shape
    assert first.min() >= 0 and first.max() <= 1


@each_random
def test_nothing_is_degraded_by_an_amount_of_zero(name):
    images = color()
    np.testing.assert_array_equal(RANDOM[name](images, 0), images)


@each_random
def test_half_and_seed_zero_are_the_defaults_and_arguments_may_be_named(name):
    images, amount = color(), "stddev" if name == "gaussian" else "probability"
    expected = RANDOM[name](images, 0.5, seed=0)
    np.testing.assert_array_equal(RANDOM[name](images), expected)
    np.testing.assert_array_equal(RANDOM[name](images=images, **{amount: 0.5}, seed=0), expected)


def test_gaussian_noise_is_the_draw_of_numpy_clipped():
    images = color()
    drawn = np.random.default_rng(3).standard_normal(images.shape, dtype="float32")
    np.testing.assert_allclose(corruption.gaussian(images, 0.4, seed=3), np.clip(images + 0.4 * drawn, 0, 1), atol=1e-6)


def test_clipped_noise_on_black_has_the_error_that_theory_gives():
    # Half of the draws are cut off: E[max(0, stddev n)^2] = stddev^2 / 2, while it is small against the range.
    noisy = corruption.gaussian(np.zeros((50, 28, 28, 1), "float32"), 0.2, seed=1)
    assert np.mean(noisy**2) == pytest.approx(0.2**2 / 2, rel=0.03)


@pytest.mark.backend
@each_random
def test_functions_give_the_same_numbers_on_every_backend(name):
    # Sums that one backend gave. A change of the draw would change every published number.
    images = np.full((2, 4, 4, 1), 0.5, "float32")
    expected = {"gaussian": 16.694, "masking": 8.5, "salt_and_pepper": 15.5}
    assert RANDOM[name](images, 0.5, seed=11).sum() == pytest.approx(expected[name], abs=0.001)


def test_masking_loses_whole_pixels_and_rescales_none():
    images = color(200, low=0.1)
    masked = corruption.masking(images, 0.25, seed=2)
    lost = (masked == 0).all(axis=-1)
    assert lost.mean() == pytest.approx(0.25, abs=0.01)
    np.testing.assert_array_equal(masked[~lost], images[~lost])
    assert np.all(corruption.masking(images, 1) == 0)


def test_salt_and_pepper_are_equally_frequent_and_leave_the_rest():
    images = color(200, low=0.1, high=0.9)
    degraded = corruption.salt_and_pepper(images, 0.4, seed=2)
    pepper, salt = (degraded == 0).all(axis=-1), (degraded == 1).all(axis=-1)
    assert pepper.mean() == pytest.approx(0.2, abs=0.01) and salt.mean() == pytest.approx(0.2, abs=0.01)
    rest = ~pepper & ~salt
    np.testing.assert_array_equal(degraded[rest], images[rest])
    assert set(np.unique(corruption.salt_and_pepper(images, 1))) == {0, 1}


def test_a_pixel_is_set_where_the_draw_of_numpy_is_below_the_probability():
    images = color()
    drawn = np.random.default_rng(3).random((40, 8, 12, 1), dtype="float32")
    one = float(drawn[drawn < 0.5][0])  # a draw that equals the probability is not below it
    np.testing.assert_array_equal(corruption.masking(images, one, seed=3), np.where(drawn < one, 0, images))
    for probability in (one, 2 * one):
        expected = np.where(drawn < probability / 2, 0, np.where(drawn < probability, 1, images))
        np.testing.assert_array_equal(corruption.salt_and_pepper(images, probability, seed=3), expected)


@pytest.mark.parametrize("factor", [1, 2, 4, np.int64(2)])
def test_low_resolution_is_the_mean_of_each_block(factor):
    images = color()
    small = corruption.downsample(images, factor)
    assert small.shape == (40, 8 // factor, 12 // factor, 3) and small.dtype == np.float32
    for row, column in np.ndindex(small.shape[1:3]):
        block = images[:, row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
        np.testing.assert_allclose(small[:, row, column], block.mean(axis=(1, 2)), atol=1e-6)


def test_blocks_have_two_by_two_pixels_unless_told_otherwise():
    np.testing.assert_array_equal(corruption.downsample(color()), corruption.downsample(color(), 2, None))


@pytest.mark.parametrize("upsampling, order", [("nearest", 0), ("bilinear", 1), ("bicubic", 3)])
def test_enlarging_agrees_with_scikit_image_image_by_image(upsampling, order):
    images = color(5)
    large = corruption.downsample(images, 2, upsampling)
    assert large.dtype == np.float32
    for small, ours in zip(corruption.downsample(images, 2), large, strict=True):
        theirs = resize(small, (8, 12, 3), order=order, mode="edge", anti_aliasing=False, clip=False)
        np.testing.assert_allclose(ours, np.clip(theirs, 0, 1), atol=1e-5)


def test_a_cubic_spline_that_overshoots_is_clipped():
    edge = np.zeros((1, 16, 16, 1), "float32")
    edge[:, :, 8:] = 1
    small = corruption.downsample(edge, 2)[0]
    theirs = resize(small, (16, 16, 1), order=3, mode="edge", anti_aliasing=False, clip=False)
    assert theirs.min() < -0.01 and theirs.max() > 1.01
    large = corruption.downsample(edge, 2, "bicubic")
    assert (large.min(), large.max()) == (0, 1)


def test_gray_weighs_green_most_and_keeps_gray_as_it_is():
    primaries = np.eye(3, dtype="float32").reshape(3, 1, 1, 3)
    np.testing.assert_allclose(corruption.grayscale(primaries).ravel(), [0.2126, 0.7152, 0.0722], atol=3e-4)
    gray = images_like(count=40)
    found = corruption.grayscale(gray.repeat(3, axis=3))
    np.testing.assert_allclose(found, gray, atol=1e-6)
    assert found.dtype == np.float32 and found.max() <= 1


# What is taken and what is refused

FUNCTIONS = [*RANDOM.values(), corruption.downsample, corruption.grayscale]
each_function = pytest.mark.parametrize("degrade", FUNCTIONS, ids=lambda function: function.__name__)


@pytest.mark.backend
@each_function
def test_float64_integers_lists_and_tensors_are_taken(degrade):
    ones = np.random.default_rng(0).integers(0, 2, (4, 8, 12, 3))
    expected = degrade(ones.astype("float32"))
    tensor = keras.ops.convert_to_tensor(ones.astype("float32"))
    for images in (ones.astype("float64"), ones, ones.astype("uint8"), list(ones), tensor, list(tensor)):
        found = degrade(images)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.backend
@pytest.mark.only_on("torch")
@each_function
def test_tensors_that_require_a_gradient_are_taken(degrade):
    import torch

    images = color(3)
    np.testing.assert_array_equal(degrade(torch.tensor(images, requires_grad=True)), degrade(images))


@each_function
def test_no_images_give_no_images(degrade):
    assert len(degrade(np.zeros((0, 8, 12, 3)))) == 0


@each_function
def test_images_of_another_form_are_refused(degrade):
    message = refusal(lambda: degrade(np.zeros((8, 8))))
    assert message == "images must have shape (n, height, width, channels); received (8, 8)"
    assert refusal(lambda: degrade(np.zeros((8, 8, 3)))).endswith("received (8, 8, 3): write images[None]")
    message = refusal(lambda: degrade(np.full((1, 8, 8, 3), 255, "uint8")))
    assert message.startswith("images must lie in [0, 1]; received values from 255 to 255")
    assert "divide by 255" in message
    assert "[0, 1]; received values from nan" in refusal(lambda: degrade(np.full((1, 8, 8, 3), np.nan)))
    assert refusal(lambda: degrade("mnist")).startswith("images must be ")


@pytest.mark.parametrize("stddev", [-0.1, float("nan"), float("inf"), "0.5", True, None])
def test_a_bad_stddev_is_named_and_shown(stddev):
    message = refusal(lambda: corruption.gaussian(color(), stddev))
    assert message == f"stddev must be a finite number, 0 or more; received {stddev!r}"


@pytest.mark.parametrize("name", ["masking", "salt_and_pepper"])
@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan"), "1", True])
def test_a_bad_probability_is_named_and_shown(name, probability):
    message = refusal(lambda: RANDOM[name](color(), probability))
    assert message == f"probability must be a number in [0, 1]; received {probability!r}"


@each_random
@pytest.mark.parametrize("seed", [-1, 0.5, "0", True, None, 2**32])
def test_a_bad_seed_is_named_and_shown(name, seed):
    message = refusal(lambda: RANDOM[name](color(), seed=seed))
    assert message == f"seed must be an integer from 0 to 4,294,967,295; received {seed!r}"


@pytest.mark.parametrize("factor", [0, -2, 2.0, True, "2"])
def test_a_factor_that_is_no_positive_integer_is_refused(factor):
    message = refusal(lambda: corruption.downsample(color(), factor))
    assert message == f"factor must be a positive integer; received {factor!r}"


@pytest.mark.parametrize("factor", [3, 8])
def test_a_factor_that_does_not_divide_the_image_is_refused(factor):
    message = refusal(lambda: corruption.downsample(color(), factor))
    assert message == f"factor must divide height and width, 8 and 12; received {factor!r}"


def test_an_unknown_upsampling_and_images_without_color_are_refused():
    message = refusal(lambda: corruption.downsample(color(), 2, "lanczos"))
    assert message == "upsampling must be None or one of nearest, bilinear, bicubic; received 'lanczos'"
    message = refusal(lambda: corruption.grayscale(images_like()))
    assert message == "images must have 3 channels, the last axis; received shape (6, 8, 8, 1)"
