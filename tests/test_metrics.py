"""aelib.metrics: each number against a few lines of NumPy or scikit-image, and what is refused."""

import math
import warnings

import keras
import numpy as np
import pytest
from helpers import refusal
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score

from aelib import layers, metrics


def pair(shape=(5, 12, 10, 1), seed=0, noise=0.1, dtype="float32"):
    random = np.random.default_rng(seed)
    images = random.random(shape)
    return images.astype(dtype), np.clip(images + random.normal(0, noise, shape), 0, 1).astype(dtype)


@pytest.mark.parametrize("shape", [(5, 12, 10, 1), (3, 8, 9, 3)])
def test_errors_are_those_of_scikit_image(shape):
    images, other = pair(shape)
    assert metrics.mse(images, other) == pytest.approx(
        mean_squared_error(images.astype(float), other.astype(float)), rel=1e-12
    )
    assert metrics.psnr(images, other) == pytest.approx(
        peak_signal_noise_ratio(images.astype(float), other.astype(float), data_range=1), rel=1e-12
    )
    assert metrics.mse(images, other) == metrics.mse(other, images) > 0.001


def test_error_per_image_is_the_error_of_each_alone():
    images, other = pair(noise=0.3)
    expected = [
        mean_squared_error(one.astype(float), two.astype(float)) for one, two in zip(images, other, strict=True)
    ]
    found = metrics.mse_per_image(images, other)
    assert found.shape == (5,) and found.std() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found.mean() == pytest.approx(metrics.mse(images, other), rel=1e-12)


def test_the_lectures_squared_norm_is_the_error_times_the_number_of_pixels():
    images, other = pair((4, 28, 28, 1), dtype="float64")
    norms = [np.linalg.norm(one - two) ** 2 for one, two in zip(images, other, strict=True)]
    assert 784 * metrics.mse(images, other) == pytest.approx(np.mean(norms), rel=1e-12)


def test_psnr_is_ten_decibels_for_each_power_of_ten():
    images = np.zeros((2, 4, 4, 1))
    assert [metrics.psnr(images, images + error) for error in (1, 0.1, 0.01)] == pytest.approx([0, 20, 40])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no logarithm of zero
        assert metrics.psnr(images, images) == math.inf


def test_psnr_of_many_is_that_of_the_whole_not_the_mean_of_each():
    images = np.zeros((2, 4, 4, 1))
    other = images + np.array([0.1, 0.001]).reshape(2, 1, 1, 1)
    assert metrics.psnr(images, other) == pytest.approx(-10 * math.log10((1e-2 + 1e-6) / 2))


@pytest.mark.parametrize("shape", [(4, 12, 10, 1), (4, 12, 10, 3)])
def test_ssim_is_the_mean_of_scikit_images_channel_by_channel(shape):
    images, other = pair(shape)
    expected = [
        structural_similarity(images[n, ..., c].astype(float), other[n, ..., c].astype(float), data_range=1)
        for n in range(4)
        for c in range(shape[3])
    ]
    assert metrics.ssim(images, other) == pytest.approx(np.mean(expected), rel=1e-9)
    assert 0 < metrics.ssim(images, other) < 1
    assert metrics.ssim(images, images) == pytest.approx(1)


def test_ssim_uses_the_window_of_wang_et_al_on_one_window():
    # One 7x7 window of scikit-image: uniform weights and unbiased variances.
    images, other = pair((1, 7, 7, 1), dtype="float64")
    x, y = images.ravel(), other.ravel()
    (vx, cov), (_, vy) = np.cov(x, y)
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * x.mean() * y.mean() + c1) * (2 * cov + c2)
    expected /= (x.mean() ** 2 + y.mean() ** 2 + c1) * (vx + vy + c2)
    assert metrics.ssim(images, other) == pytest.approx(expected, rel=1e-9)


def test_explained_variance_is_one_for_the_data_and_zero_for_their_mean():
    data, _ = pair((20, 6))
    assert metrics.explained_variance(data, data) == 1
    mean = np.broadcast_to(data.astype(float).mean(0), data.shape)
    assert metrics.explained_variance(data, mean) == pytest.approx(0, abs=1e-12)
    assert metrics.explained_variance(data, 0 * data) < 0


def test_explained_variance_is_that_of_pca_and_the_weighted_r2_of_scikit_learn():
    data, other = pair((50, 8), dtype="float64")
    pca = PCA(3).fit(data)
    restored = pca.inverse_transform(pca.transform(data))
    assert metrics.explained_variance(data, restored) == pytest.approx(pca.explained_variance_ratio_.sum(), rel=1e-9)
    expected = r2_score(data, other, multioutput="variance_weighted")
    assert metrics.explained_variance(data, other) == pytest.approx(expected, rel=1e-9)
    images, others = data.reshape(50, 2, 2, 2), other.reshape(50, 2, 2, 2)
    assert metrics.explained_variance(images, others) == pytest.approx(expected, rel=1e-9)
    assert metrics.explained_variance(0.01 * data, 0.01 * other) == pytest.approx(expected, rel=1e-9)


def test_explained_variance_needs_data_that_vary():
    with pytest.raises(ValueError, match="y_true must vary; received 4 equal entries"):
        metrics.explained_variance(np.ones((4, 3)), np.zeros((4, 3)))
    unknown = np.full((4, 3), np.nan)
    message = refusal(lambda: metrics.explained_variance(unknown, np.ones((4, 3))))
    assert "y_true must be finite; received 12" in message


def test_active_fraction_counts_entries_whose_size_is_above_the_threshold():
    codes = np.array([[0, 0.1, -0.2, 3], [0, 0, 0.1, -4]])
    assert metrics.active_fraction(codes) == 5 / 8
    assert metrics.active_fraction(codes, threshold=0.1) == 3 / 8
    assert metrics.active_fraction(codes, threshold=4) == 0
    random = np.random.default_rng(0).normal(size=(10, 4, 4, 3))
    expected = sum(abs(value) > 0.5 for value in random.ravel()) / random.size
    assert metrics.active_fraction(random, 0.5) == pytest.approx(expected)


def test_dead_units_are_those_that_no_sample_uses():
    codes = np.zeros((6, 5))
    codes[2, 1], codes[:, 3], codes[5, 4] = -0.3, 1, 0.05
    assert metrics.dead_units(codes) == 2
    assert metrics.dead_units(codes, threshold=0.1) == 3
    assert metrics.dead_units(codes, threshold=1) == 5
    assert isinstance(metrics.dead_units(codes), int)


def test_a_channel_of_a_code_tensor_is_a_unit():
    codes = np.zeros((6, 4, 4, 3))
    codes[0, 2, 1, 2] = 1
    assert metrics.dead_units(codes) == 2
    assert metrics.active_fraction(codes) == 1 / codes.size


def test_feature_density_is_the_fraction_of_codes_that_use_each_unit():
    codes = np.array([[0, 0.1, -0.2, 3], [0, 0, 0.1, -4]])
    np.testing.assert_array_equal(metrics.feature_density(codes), [0, 0.5, 1, 1])
    np.testing.assert_array_equal(metrics.feature_density(codes, threshold=0.1), [0, 0, 0.5, 1])
    random = np.random.default_rng(0).normal(size=(10, 4, 4, 3))
    expected = [np.mean([abs(value) > 0.5 for value in random[..., unit].ravel()]) for unit in range(3)]
    np.testing.assert_allclose(metrics.feature_density(random, 0.5), expected)
    sparse = np.where(abs(random) > 1, random, 0).reshape(-1, 3)
    density = metrics.feature_density(sparse)
    assert density.sum() == pytest.approx(np.count_nonzero(sparse, axis=1).mean()), "the mean L0"
    sparse[:, 1] = 0
    assert np.sum(metrics.feature_density(sparse) == 0) == metrics.dead_units(sparse) == 1


def test_the_largest_cosine_of_each_feature_is_that_of_its_nearest_atom():
    random = np.random.default_rng(0)
    features, atoms = random.normal(size=(4, 6)), random.normal(size=(9, 6))
    expected = [
        max(feature @ atom / (np.linalg.norm(feature) * np.linalg.norm(atom)) for atom in atoms) for feature in features
    ]
    np.testing.assert_allclose(metrics.max_cosines(features, atoms), expected, rtol=1e-12)
    assert metrics.mean_max_cosine(features, atoms) == pytest.approx(np.mean(expected), rel=1e-12)
    assert type(metrics.mean_max_cosine(features, atoms)) is float
    # One number per feature, not per atom.
    assert metrics.max_cosines(atoms, features).shape == (9,)


def test_features_are_found_whatever_the_length_and_the_order_of_the_atoms_but_not_their_sign():
    features = np.random.default_rng(0).normal(size=(5, 7))
    atoms = np.random.default_rng(1).uniform(0.1, 9, (5, 1)) * features[::-1]
    assert metrics.mean_max_cosine(features, atoms) == pytest.approx(1, abs=1e-12)
    assert metrics.mean_max_cosine(features[:1], -features[:1]) == pytest.approx(-1, abs=1e-12)
    more = np.concatenate([atoms, np.random.default_rng(2).normal(size=(20, 7))])
    assert metrics.mean_max_cosine(features, more) == pytest.approx(1, abs=1e-12)
    assert metrics.mean_max_cosine(more, features) < 0.9


@pytest.mark.parametrize("metric", [metrics.max_cosines, metrics.mean_max_cosine])
def test_directions_that_do_not_match_or_have_no_length_are_refused(metric):
    ones, zero = np.ones((2, 3)), np.array([[1, 1, 1], [0, 0, 0]])
    message = refusal(lambda: metric(ones, np.ones((4, 2))))
    assert message == "atoms must have 3 columns, as features; received shape (4, 2)"
    for wrong in (zero, np.ones(3), np.ones((2, 3, 1))):
        needed = "must have shape (n, dimensions) and no row of zeros; received shape"
        assert refusal(lambda wrong=wrong: metric(wrong, ones)) == f"features {needed} {wrong.shape}"
        assert refusal(lambda wrong=wrong: metric(ones, wrong)) == f"atoms {needed} {wrong.shape}"
    for wrong in (np.full((2, 3), np.nan), np.zeros((0, 3)), "abc", None):
        assert refusal(lambda wrong=wrong: metric(wrong, ones)).startswith("features must ")
        assert refusal(lambda wrong=wrong: metric(ones, wrong)).startswith("atoms must ")


def test_loss_recovered_is_one_for_the_original_loss_and_zero_for_the_ablated_one():
    assert metrics.loss_recovered(0.2, 0.2, 2.2) == 1
    assert metrics.loss_recovered(0.2, 2.2, 2.2) == 0
    assert metrics.loss_recovered(0.25, 0.75, 2.25) == 0.75
    assert metrics.loss_recovered(0.25, 4.25, 2.25) == -1, "worse than ablation"
    assert metrics.loss_recovered(0.25, 0.05, 2.25) > 1, "better than the original"
    assert metrics.loss_recovered(-3, -2, -1) == 0.5
    assert type(metrics.loss_recovered(np.float32(0), np.float64(1), 2)) is float


@pytest.mark.parametrize("name", ["loss", "replaced_loss", "ablated_loss"])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), "1", None, True])
def test_a_loss_that_is_no_number_is_named_and_shown(name, wrong):
    losses = {"loss": 0.1, "replaced_loss": 0.2, "ablated_loss": 2.0, name: wrong}
    message = refusal(lambda: metrics.loss_recovered(**losses))
    assert message.startswith(f"{name} must be ") and message.endswith(f"received {wrong!r}")


@pytest.mark.parametrize("ablated", [0.5, 0.25])
def test_an_ablation_that_costs_nothing_leaves_nothing_to_recover(ablated):
    message = refusal(lambda: metrics.loss_recovered(0.5, 0.6, ablated))
    assert message == f"ablated_loss must exceed loss, 0.5; received {ablated}"


def test_float32_images_are_summed_in_double_precision():
    # In float32 the mean of a million small errors beside a few large ones is off in the fifth digit.
    images = np.zeros((4, 500, 500, 1), "float32")
    other = np.full_like(images, 0.1)
    other[0, 0, :7] = 1000
    error = np.float64(np.float32(0.1)) ** 2
    expected = ((images.size - 7) * error + 7e6) / images.size
    assert metrics.mse(images, other) == pytest.approx(expected, rel=1e-13)
    assert abs(float(np.mean((images - other) ** 2)) / expected - 1) > 1e-9
    shifted = np.float32(1e4) + np.random.default_rng(0).random((1000, 3), dtype="float32")
    assert metrics.explained_variance(shifted, shifted.mean(0, dtype="float64") + 0 * shifted) == pytest.approx(
        0, abs=1e-6
    )


PAIRED = [metrics.mse, metrics.mse_per_image, metrics.psnr, metrics.ssim, metrics.explained_variance]


@pytest.mark.parametrize("metric", PAIRED)
@pytest.mark.parametrize("other", [(1, 8, 8, 1), (5, 8, 8, 3), (8, 8, 1), (5, 8, 8), (4, 8, 8, 1)])
def test_shapes_that_numpy_would_broadcast_are_refused_and_shown(metric, other):
    message = refusal(lambda: metric(np.zeros((5, 8, 8, 1)), np.zeros(other)))
    expected = f"y_true and y_pred must have the same shape; received (5, 8, 8, 1) and {other}"
    if metric in (metrics.psnr, metrics.ssim) and len(other) == 3:  # no images at all
        hint = ": write y_pred[None]" if other == (8, 8, 1) else ""
        expected = f"y_pred must have shape (n, height, width, channels); received {other}{hint}"
    assert message == expected


@pytest.mark.parametrize("metric", PAIRED)
def test_no_images_are_refused(metric):
    message = refusal(lambda: metric(np.zeros((0, 8, 8, 1)), np.zeros((0, 8, 8, 1))))
    assert message == "y_true must not be empty; received shape (0, 8, 8, 1)"


@pytest.mark.parametrize("metric", [metrics.active_fraction, metrics.dead_units, metrics.feature_density])
def test_no_codes_are_refused(metric):
    assert refusal(lambda: metric(np.zeros((0, 3)))) == "codes must not be empty; received shape (0, 3)"


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim])
def test_a_single_image_which_would_be_read_as_rows_is_refused(metric):
    message = refusal(lambda: metric(*pair((28, 28, 1))))
    assert message.startswith("y_true must have shape (n, height, width, channels); received (28, 28, 1)")
    assert message.endswith("y_true[None]")


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim])
def test_images_in_another_range_are_refused(metric):
    images, other = pair()
    message = refusal(lambda: metric(255 * images, 255 * other))
    assert message.startswith("y_true must lie in [0, 1]; received values from ") and "divide by 255" in message
    assert refusal(lambda: metric(images, 255 * other)).startswith("y_pred must lie in [0, 1]; received values from ")
    assert "y_true must lie in [0, 1]" in refusal(lambda: metric(2 * images - 1, other))
    assert "y_pred must lie in [0, 1]" in refusal(lambda: metric(images, np.full_like(other, np.nan)))
    # A linear decoder leaves the range a little, which is no mistake.
    assert np.isfinite(metric(images, 1.5 * other - 0.2))


def test_ssim_refuses_images_smaller_than_its_window():
    message = refusal(lambda: metrics.ssim(*pair((2, 6, 9, 1))))
    assert message == "y_true must be at least 7 pixels high and wide; received shape (2, 6, 9, 1)"
    assert refusal(lambda: metrics.ssim(*pair((2, 9, 6, 1)))).endswith("received shape (2, 9, 6, 1)")
    assert metrics.ssim(*pair((2, 7, 7, 1))) < 1


@pytest.mark.backend
@pytest.mark.parametrize("metric", PAIRED)
def test_lists_integers_and_tensors_are_taken(metric):
    images, other = pair((5, 8, 8, 1))
    expected = metric(images, other)
    tensors = [keras.ops.convert_to_tensor(array) for array in (images, other)]
    for one, two in ((list(images), list(other)), tensors, map(list, tensors)):
        np.testing.assert_allclose(metric(one, two), expected, rtol=1e-12)
    bits = images.round().astype("uint8"), other.round().astype("uint8")
    np.testing.assert_allclose(metric(*bits), metric(*(array.astype("float64") for array in bits)), rtol=1e-12)


@pytest.mark.backend
@pytest.mark.only_on("torch")
@pytest.mark.parametrize("metric", PAIRED)
def test_tensors_that_require_a_gradient_are_taken(metric):
    import torch

    images, other = pair((5, 8, 8, 1))
    found = metric(torch.tensor(images), torch.tensor(other, requires_grad=True))
    np.testing.assert_allclose(found, metric(images, other), rtol=1e-12)


@pytest.mark.backend
@pytest.mark.only_on("torch")
def test_codes_that_require_a_gradient_are_taken():
    import torch

    codes = torch.tensor([[0.0, 0.5], [0.0, -1.0]], requires_grad=True)
    assert metrics.active_fraction(codes) == 0.5 and metrics.dead_units(codes) == 1
    np.testing.assert_array_equal(metrics.feature_density(codes), [0, 1])


@pytest.mark.backend
def test_atoms_of_a_dictionary_are_taken():
    dictionary = layers.Dictionary(6)
    dictionary.build((None, 4))
    assert metrics.mean_max_cosine(keras.ops.convert_to_numpy(dictionary.kernel), dictionary.atoms) == pytest.approx(1)


@pytest.mark.backend
def test_half_precision_is_taken():
    images, other = (keras.ops.cast(array, "bfloat16") for array in pair((5, 8, 8, 1)))
    expected = metrics.mse(*(keras.ops.convert_to_numpy(keras.ops.cast(a, "float32")) for a in (images, other)))
    assert metrics.mse(images, other) == expected > 0


@pytest.mark.parametrize("wrong", ["abc", np.array(["a"]), np.ones(3, complex), [[1, 2], [3]], {"a": 1}, None])
def test_what_is_no_array_of_real_numbers_is_refused(wrong):
    assert refusal(lambda: metrics.mse(wrong, np.ones(3))).startswith("y_true must be ")
    assert refusal(lambda: metrics.dead_units(wrong)).startswith("codes must be ")


@pytest.mark.parametrize("metric", [metrics.mse, metrics.psnr, metrics.ssim, metrics.explained_variance])
def test_numbers_are_plain_floats(metric):
    assert type(metric(*pair())) is float
