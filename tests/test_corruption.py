"""aelib.corruption: arithmetic against NumPy and scikit-image, seeds, what is refused, and fresh noise."""

import keras
import numpy as np
import pytest
from keras import layers
from skimage.transform import resize

from aelib import corruption, models, training

RANDOM = {
    "gaussian": (corruption.gaussian, corruption.Gaussian, "sigma"),
    "masking": (corruption.masking, corruption.Masking, "probability"),
    "salt_and_pepper": (corruption.salt_and_pepper, corruption.SaltAndPepper, "probability"),
}
each_random = pytest.mark.parametrize("name", RANDOM)


def images_like(shape=(8, 12, 3), count=40, seed=0, low=0.0, high=1.0):
    return np.random.default_rng(seed).uniform(low, high, (count, *shape)).astype("float32")


def refusal(call, error=ValueError):
    with pytest.raises(error) as raised:
        call()
    return str(raised.value)


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


# The functions


@each_random
def test_a_seed_repeats_the_draw_and_another_one_changes_it(name):
    degrade, images = RANDOM[name][0], images_like()
    untouched = images.copy()
    first = degrade(images, 0.3, seed=5)
    np.testing.assert_array_equal(first, degrade(images, 0.3, seed=5))
    assert np.any(first != degrade(images, 0.3, seed=6))
    np.testing.assert_array_equal(images, untouched)
    assert first.dtype == np.float32 and first.shape == images.shape
    assert first.min() >= 0 and first.max() <= 1


@each_random
def test_nothing_is_degraded_by_an_amount_of_zero(name):
    images = images_like()
    np.testing.assert_array_equal(RANDOM[name][0](images, 0), images)
    np.testing.assert_array_equal(numpy_of(RANDOM[name][1](0.0)(images, training=True)), images)


def test_gaussian_noise_is_the_draw_of_numpy_clipped():
    images = images_like()
    drawn = np.random.default_rng(3).standard_normal(images.shape, dtype="float32")
    np.testing.assert_allclose(corruption.gaussian(images, 0.4, seed=3), np.clip(images + 0.4 * drawn, 0, 1), atol=1e-6)


def test_clipped_noise_on_black_has_the_error_that_theory_gives():
    """Half of the draws are cut off: E[max(0, sigma n)^2] = sigma^2 / 2, while sigma is small against the range."""
    noisy = corruption.gaussian(np.zeros((50, 28, 28, 1), "float32"), 0.2, seed=1)
    assert np.mean(noisy**2) == pytest.approx(0.2**2 / 2, rel=0.03)


@pytest.mark.backend
@each_random
def test_functions_give_the_same_numbers_on_every_backend(name):
    """Sums that one backend gave. A change of the draw would change every published number."""
    images = np.full((2, 4, 4, 1), 0.5, "float32")
    expected = {"gaussian": 16.694, "masking": 8.5, "salt_and_pepper": 15.5}
    assert RANDOM[name][0](images, 0.5, seed=11).sum() == pytest.approx(expected[name], abs=0.001)


def test_masking_loses_whole_pixels_and_rescales_none():
    images = images_like(count=200, low=0.1)
    masked = corruption.masking(images, 0.25, seed=2)
    lost = (masked == 0).all(axis=-1)
    assert lost.mean() == pytest.approx(0.25, abs=0.01)
    np.testing.assert_array_equal(masked[~lost], images[~lost])
    assert np.all(corruption.masking(images, 1) == 0)


def test_salt_and_pepper_are_equally_frequent_and_leave_the_rest():
    images = images_like(count=200, low=0.1, high=0.9)
    degraded = corruption.salt_and_pepper(images, 0.4, seed=2)
    pepper, salt = (degraded == 0).all(axis=-1), (degraded == 1).all(axis=-1)
    assert pepper.mean() == pytest.approx(0.2, abs=0.01) and salt.mean() == pytest.approx(0.2, abs=0.01)
    rest = ~pepper & ~salt
    np.testing.assert_array_equal(degraded[rest], images[rest])


@pytest.mark.parametrize("factor", [1, 2, 4, np.int64(2)])
def test_low_resolution_is_the_mean_of_each_block(factor):
    images = images_like()
    small = corruption.downsample(images, factor)
    assert small.shape == (40, 8 // factor, 12 // factor, 3) and small.dtype == np.float32
    for row, column in np.ndindex(small.shape[1:3]):
        block = images[:, row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
        np.testing.assert_allclose(small[:, row, column], block.mean(axis=(1, 2)), atol=1e-6)


@pytest.mark.parametrize("upsampling, order", [("nearest", 0), ("bilinear", 1), ("bicubic", 3)])
def test_enlarging_agrees_with_scikit_image_image_by_image(upsampling, order):
    images = images_like(count=5)
    large = corruption.downsample(images, 2, upsampling)
    assert large.dtype == np.float32
    for small, ours in zip(corruption.downsample(images, 2), large, strict=True):
        theirs = resize(small, (8, 12, 3), order=order, mode="edge", anti_aliasing=False, clip=False)
        np.testing.assert_allclose(ours, np.clip(theirs, 0, 1), atol=1e-5)


def test_gray_weighs_green_most_and_keeps_gray_as_it_is():
    primaries = np.eye(3, dtype="float32").reshape(3, 1, 1, 3)
    np.testing.assert_allclose(corruption.grayscale(primaries).ravel(), [0.2126, 0.7152, 0.0722], atol=3e-4)
    gray = images_like((8, 8, 1))
    np.testing.assert_allclose(corruption.grayscale(gray.repeat(3, axis=3)), gray, atol=1e-6)


# What is refused

FUNCTIONS = [corruption.gaussian, corruption.masking, corruption.salt_and_pepper, corruption.downsample]


@pytest.mark.parametrize("degrade", [*FUNCTIONS, corruption.grayscale])
def test_images_of_another_form_are_refused(degrade):
    assert refusal(lambda: degrade(np.zeros((8, 8)))) == (
        "images must have shape (n, height, width, channels); received (8, 8)"
    )
    bytes_read = np.full((1, 8, 8, 3), 255, "uint8")
    assert refusal(lambda: degrade(bytes_read)).startswith("images must lie in [0, 1]; received values from 255")
    assert "must lie in [0, 1]; received" in refusal(lambda: degrade(np.full((1, 8, 8, 3), np.nan)))


@pytest.mark.parametrize("sigma", [-0.1, float("nan"), float("inf"), "0.5", True, None])
def test_a_bad_sigma_is_named_and_shown(sigma):
    for call in (lambda: corruption.gaussian(images_like(), sigma), lambda: corruption.Gaussian(sigma)):
        assert refusal(call) == f"sigma must be a number of 0 or more; received {sigma!r}"


@pytest.mark.parametrize("name", ["masking", "salt_and_pepper"])
@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan"), "1", True])
def test_a_bad_probability_is_named_and_shown(name, probability):
    degrade, layer, _ = RANDOM[name]
    for call in (lambda: degrade(images_like(), probability), lambda: layer(probability)):
        assert refusal(call) == f"probability must be in [0, 1]; received {probability!r}"


@each_random
@pytest.mark.parametrize("seed", [-1, 0.5, "0", True, None])
def test_a_bad_seed_is_named_and_shown(name, seed):
    message = refusal(lambda: RANDOM[name][0](images_like(), seed=seed))
    assert message == f"seed must be an integer of 0 or more; received {seed!r}"


@pytest.mark.parametrize("factor", [0, -2, 3, 2.0, True, "2"])
def test_a_factor_that_does_not_divide_the_image_is_refused(factor):
    message = refusal(lambda: corruption.downsample(images_like(), factor))
    assert message == f"factor must be a positive integer that divides height and width, 8 and 12; received {factor!r}"


def test_an_unknown_upsampling_and_images_without_colour_are_refused():
    message = refusal(lambda: corruption.downsample(images_like(), 2, "lanczos"))
    assert message == "upsampling must be None or one of nearest, bilinear, bicubic; received 'lanczos'"
    message = refusal(lambda: corruption.grayscale(images_like((8, 8, 1))))
    assert message == "images must have 3 channels, red, green and blue; received shape (40, 8, 8, 1)"


# Fresh noise


@pytest.mark.backend
@each_random
def test_a_layer_degrades_in_training_anew_each_time_and_nothing_otherwise(name):
    _, make, argument = RANDOM[name]
    layer, images = make(**{argument: 0.3}), images_like(low=0.1, high=0.9)
    np.testing.assert_array_equal(numpy_of(layer(images)), images)
    np.testing.assert_array_equal(numpy_of(layer(images, training=False)), images)
    first, second = (numpy_of(layer(images, training=True)) for _ in range(2))
    assert np.any(first != images) and np.any(first != second)
    assert first.shape == images.shape and first.dtype == np.float32
    assert np.any(first[0] - images[0] != first[1] - images[1])


@pytest.mark.backend
@each_random
def test_a_layer_degrades_as_its_function_does(name):
    """The draws differ; how often pixels are hit and how far they move must not."""
    degrade, make, argument = RANDOM[name]
    images = images_like((16, 16, 3), count=400, low=0.1, high=0.9)
    ours = numpy_of(make(**{argument: 0.3}, seed=1)(images, training=True))
    theirs = degrade(images, 0.3, seed=1)
    for statistic in (
        lambda x: np.mean((x - images) ** 2),
        lambda x: np.mean(x == 0),
        lambda x: np.mean(x == 1),
        lambda x: np.mean((x == 0).all(axis=-1)),
        lambda x: np.mean(x == images),
    ):
        assert statistic(ours) == pytest.approx(statistic(theirs), abs=0.006)


@pytest.mark.backend
def test_noise_of_a_training_is_fresh_in_every_epoch_and_repeated_by_the_seed():
    """With weights that hardly move, the loss of an epoch is a fingerprint of the noise drawn in it."""
    images = images_like((6, 6, 1), count=20)

    def losses(seed):
        shape = images.shape[1:]
        encoder = keras.Sequential([layers.Input(shape), corruption.Gaussian(0.5), layers.Flatten()])
        decoder = models.mlp_decoder(shape, 36, hidden=(), output_activation=None)
        model = models.Autoencoder(encoder, decoder)
        model.build((None, *shape))
        decoder.get_layer("pixels").set_weights([np.eye(36), np.zeros(36)])
        fit = training.fit(model, images, epochs=4, batch_size=10, learning_rate=1e-9, seed=seed, verbose=False)
        return fit.mse

    first = losses(seed=3)
    assert len(set(first)) == 4 and min(first) > 0.01
    assert losses(seed=3) == pytest.approx(first, rel=1e-6)
    assert losses(seed=4) != pytest.approx(first, rel=1e-3)


@pytest.mark.backend
def test_a_denoiser_passes_through_a_file_with_its_noise(tmp_path):
    shape = (8, 8, 1)
    noise = [corruption.Gaussian(0.1, seed=7), corruption.Masking(0.2), corruption.SaltAndPepper(0.3)]
    encoder = keras.Sequential([layers.Input(shape), *noise, *models.mlp_encoder(shape, 3, hidden=()).layers])
    model = models.Autoencoder(encoder, models.mlp_decoder(shape, 3, hidden=()))
    images = images_like(shape, count=4)
    answer = model.reconstruct(images)
    model.save(tmp_path / "denoiser.keras")
    loaded = keras.saving.load_model(tmp_path / "denoiser.keras")
    np.testing.assert_allclose(loaded.reconstruct(images), answer, atol=1e-6)
    found = [layer for layer in loaded.encoder.layers if hasattr(layer, "amount")]
    assert [(type(layer), layer.amount, layer.seed) for layer in found] == [
        (corruption.Gaussian, 0.1, 7),
        (corruption.Masking, 0.2, None),
        (corruption.SaltAndPepper, 0.3, None),
    ]
