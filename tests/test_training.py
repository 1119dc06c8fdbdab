"""aelib.training: the start, the schedule and the training loop, held against formulas and NumPy."""

import gc
import inspect
import logging
import math
import random

import keras
import numpy as np
import pytest
from keras import layers, ops

import aelib
from aelib import metrics, models, training
from aelib.training import history

SHAPE = (8, 8, 1)


def blobs(count=20, seed=0):
    """Images with structure to learn: a bright spot whose place varies, a little noise."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:8, :8]
    centre = random.uniform(2, 6, (2, count, 1, 1))
    spots = np.exp(-((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / 6)[..., None]
    return np.clip(spots + random.normal(0, 0.02, spots.shape), 0, 1).astype("float32")


def chain(hidden=(16,), latent_dim=3, penalty=None, **kwargs):
    encoder = models.mlp_encoder(SHAPE, latent_dim, hidden, **kwargs)
    return models.Autoencoder(encoder, models.mlp_decoder(SHAPE, latent_dim, hidden[::-1]), penalty)


def convolutional():
    return models.Autoencoder(models.conv_encoder(SHAPE, 2, (4,)), models.conv_decoder(SHAPE, 2, (4,)))


def dense(model):
    return [
        layer for part in (model.encoder, model.decoder) for layer in part.layers if isinstance(layer, layers.Dense)
    ]


def weights_of(model):
    """[(kernel, bias), ...] in double precision."""
    return [tuple(np.array(array, "float64") for array in layer.get_weights()) for layer in dense(model)]


def fitted(seed=0, penalty=None, start=0, **kwargs):
    model = training.glorot_start(chain(penalty=penalty), factor=4, seed=start)
    given = {"epochs": 3, "batch_size": 7, "learning_rate": 0.02, "verbose": False, **kwargs}
    return model, training.fit(model, blobs(), seed=seed, **given)


# The oracle: a chain of sigmoids in NumPy, forward, backward, and Adam as its paper writes it


def activations(weights, images):
    """What leaves each layer, the flattened images first."""
    values = [np.reshape(images, (len(images), -1)).astype("float64")]
    for kernel, bias in weights:
        values.append(1 / (1 + np.exp(-(values[-1] @ kernel + bias))))
    return values


def error_and_gradients(weights, images, target):
    values = activations(weights, images)
    residual = values[-1] - np.reshape(target, (len(target), -1))
    gradients, flow = [], 2 * residual / residual.size
    for (kernel, _), before, after in zip(weights[::-1], values[-2::-1], values[::-1], strict=False):
        flow = flow * after * (1 - after)
        gradients.append((before.T @ flow, flow.sum(0)))
        flow = flow @ kernel.T
    return np.mean(residual**2), gradients[::-1]


def rate_at(step, peak, steps, warmup=0.15):
    rising = max(1, round(warmup * steps))
    if step < rising:
        return peak * step / rising
    return peak / 2 * (1 + math.cos(math.pi * min(1, (step - rising) / max(1, steps - rising))))


def adam(weights, images, target, rates, decay=0.0):
    """Weights after one full-batch step per rate, and the error before each."""
    errors, state = [], [[0, 0] for layer in weights for _ in layer]
    flat = [array for layer in weights for array in layer]
    for step, rate in enumerate(rates, 1):
        error, gradients = error_and_gradients(list(zip(flat[::2], flat[1::2], strict=True)), images, target)
        errors.append(error)
        for index, gradient in enumerate(array for layer in gradients for array in layer):
            moments = state[index]
            moments[0] = 0.9 * moments[0] + 0.1 * gradient
            moments[1] = 0.999 * moments[1] + 0.001 * gradient**2
            # Kingma and Ba's last remark in section 2: the corrections in the rate, epsilon beside the raw moment.
            corrected = rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            flat[index] = flat[index] * (1 - rate * decay) - corrected * moments[0] / (np.sqrt(moments[1]) + 1e-7)
    return flat, errors


def test_the_gradients_of_the_oracle_are_finite_differences():
    weights = weights_of(training.glorot_start(chain(), factor=4))
    images, target = blobs(5), blobs(5, seed=1)
    _, gradients = error_and_gradients(weights, images, target)
    for layer, (kernel, bias) in enumerate(weights):
        for part, (array, place) in enumerate([(kernel, (1, 2)), (kernel, (-1, 0)), (bias, (1,))]):
            around = []
            for change in (1e-5, -1e-5):
                array[place] += change
                around.append(error_and_gradients(weights, images, target)[0])
                array[place] -= change
            assert gradients[layer][part == 2][place] == pytest.approx((around[0] - around[1]) / 2e-5, rel=1e-5)


# Every backend takes the steps that NumPy takes


@pytest.mark.backend
def test_three_steps_of_gradient_descent_are_those_of_numpy():
    model = training.centred_start(chain(), blobs())
    images, target, weights = blobs(), blobs(seed=1), weights_of(model)
    model.compile(keras.optimizers.SGD(50.0), "mse")
    seen = model.fit(images, target, batch_size=20, epochs=3, shuffle=False, verbose=0).history["loss"]
    expected = []
    for _ in range(3):
        error, gradients = error_and_gradients(weights, images, target)
        expected.append(error)
        weights = [
            (kernel - 50 * slope, bias - 50 * drift)
            for (kernel, bias), (slope, drift) in zip(weights, gradients, strict=True)
        ]
    np.testing.assert_allclose(seen, expected, rtol=1e-5)
    assert expected[2] < 0.97 * expected[0]
    for mine, theirs in zip(weights_of(model), weights, strict=True):
        np.testing.assert_allclose(mine[0], theirs[0], atol=1e-5)
        np.testing.assert_allclose(mine[1], theirs[1], atol=1e-5)


@pytest.mark.backend
@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_the_recipe_takes_the_steps_of_adam_under_warm_up_and_cosine(weight_decay):
    model = training.centred_start(chain(), blobs())
    images, target, weights = blobs(), blobs(seed=1), weights_of(model)
    options = {"epochs": 12, "batch_size": 20, "learning_rate": 0.02, "weight_decay": weight_decay}
    history = training.fit(model, images, target, verbose=False, **options)
    expected, errors = adam(weights, images, target, [rate_at(k, 0.02, 12) for k in range(12)], weight_decay)
    assert errors[-1] < 0.85 * errors[0]
    np.testing.assert_allclose(history.mse, errors, rtol=1e-5)
    for mine, theirs in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


# The start


@pytest.mark.backend
def test_glorot_start_draws_from_the_range_of_the_formula_and_clears_biases():
    model = training.glorot_start(models.lecture_autoencoder())
    for kernel, bias in weights_of(model)[:3]:
        limit = math.sqrt(6 / sum(kernel.shape))
        assert 0.99 * limit < np.abs(kernel).max() <= limit * (1 + 1e-6)
        assert kernel.std() == pytest.approx(limit / math.sqrt(3), rel=0.02)
        assert abs(kernel.mean()) < 0.03 * limit
        assert not bias.any()


def test_glorot_start_is_the_same_for_a_seed_and_another_for_another():
    first, again, other = (training.glorot_start(chain(), seed=seed).get_weights() for seed in (0, 0, 1))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.ndim == 1 or not np.isclose(a, c).all()


def test_a_factor_multiplies_the_draw_and_nothing_else():
    plain, quadruple = training.glorot_start(chain()), training.glorot_start(chain(), factor=4)
    for one, four in zip(plain.get_weights(), quadruple.get_weights(), strict=True):
        np.testing.assert_array_equal(4 * one, four)


def test_glorot_start_reaches_nested_models_and_layers_without_bias():
    inner = keras.Sequential([layers.Input((64,)), layers.Dense(16, "relu", use_bias=False)])
    outer = keras.Sequential([layers.Input(SHAPE), layers.Flatten(), inner, layers.Dense(3)])
    before = [array.copy() for array in outer.get_weights()]
    training.glorot_start(outer, factor=4)
    assert [np.isclose(old, new).all() for old, new in zip(before, outer.get_weights(), strict=True)] == [False] * 2 + [
        True
    ]


@pytest.mark.parametrize("factor", [0, -1, math.nan])
def test_a_factor_that_is_not_positive_is_refused(factor):
    with pytest.raises(ValueError, match=f"factor must be positive; received {factor}"):
        training.glorot_start(chain(), factor=factor)


@pytest.mark.parametrize("start", [training.glorot_start, lambda model: training.centred_start(model, blobs())])
def test_a_model_without_dense_layers_cannot_be_started(start):
    model = convolutional()
    with pytest.raises(ValueError, match=f"model must have dense layers; '{model.name}' has none"):
        start(model)


@pytest.mark.backend
@pytest.mark.parametrize(("deviation", "output_deviation"), [(2.0, 0.5), (1.0, 0.1)])
def test_centred_start_gives_every_unit_mean_zero_and_every_layer_its_deviation(deviation, output_deviation):
    images = blobs(200)
    model = chain()
    given = {} if deviation == 2 else {"deviation": deviation, "output_deviation": output_deviation}
    assert training.centred_start(model, images, **given) is model
    weights = weights_of(model)
    values = activations(weights, images)
    for index, (kernel, bias) in enumerate(weights[:-1]):
        drive = values[index] @ kernel + bias
        np.testing.assert_allclose(drive.mean(0), 0, atol=1e-4)
        assert drive.std() == pytest.approx(deviation, rel=1e-4)
    kernel, bias = weights[-1]
    drive, mean = values[-2] @ kernel + bias, np.clip(images.reshape(200, -1).astype("float64").mean(0), 0.001, 0.999)
    np.testing.assert_allclose(drive.mean(0), np.log(mean / (1 - mean)), atol=1e-4)
    assert (drive - drive.mean(0)).std() == pytest.approx(output_deviation, rel=1e-4)


def test_centred_start_begins_near_the_mean_image():
    images = blobs(200)
    mean = np.broadcast_to(images.mean(0), images.shape)
    first = training.centred_start(chain(), images).reconstruct(images)
    plain = training.glorot_start(chain()).reconstruct(images)
    assert metrics.mse(mean, first) < 0.01 < 0.05 < metrics.mse(mean, plain)
    assert np.corrcoef(first.mean(0).ravel(), mean[0].ravel())[0, 1] > 0.99


def test_centred_start_is_the_same_for_a_seed_and_another_for_another():
    first, again, other = (training.centred_start(chain(), blobs(), seed=s).get_weights() for s in (0, 0, 1))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.isclose(a, c).all()


@pytest.mark.parametrize("images", [np.full((9, *SHAPE), 0.5, "f4"), np.full((9, *SHAPE), np.nan, "f4"), blobs(1)])
def test_centred_start_refuses_images_that_do_not_vary(images):
    with pytest.raises(ValueError, match="images must vary and be finite; received"):
        training.centred_start(chain(), images)


def test_centred_start_takes_a_plain_chain_of_layers():
    images = blobs(50)
    flat = [layers.Flatten(), layers.Dense(16, "sigmoid"), layers.Dense(64, "sigmoid"), layers.Reshape(SHAPE)]
    model = training.centred_start(keras.Sequential([layers.Input(SHAPE), *flat]), images)
    drive = images.reshape(50, -1) @ model.layers[1].get_weights()[0] + model.layers[1].get_weights()[1]
    assert drive.std() == pytest.approx(2, rel=1e-4)


# The schedule


@pytest.mark.backend
@pytest.mark.parametrize(("peak", "steps", "warmup"), [(0.01, 200, 0.15), (0.3, 40, 0.5), (1.0, 10, 0)])
def test_learning_rate_rises_in_a_line_and_falls_in_a_cosine_to_zero(peak, steps, warmup):
    schedule = training.warmup_cosine(peak, steps, warmup=warmup)
    top = max(1, round(warmup * steps))
    chosen = sorted({0, 1, top // 2, top, top + 1, (top + steps) // 2, steps - 1, steps})
    rates = [float(ops.convert_to_numpy(schedule(step))) for step in chosen]
    np.testing.assert_allclose(rates, [rate_at(step, peak, steps, warmup) for step in chosen], atol=1e-6 * peak)
    found = dict(zip(chosen, rates, strict=True))
    assert found[0] == 0 and found[top] == pytest.approx(peak) == max(rates)
    assert found[top // 2] == pytest.approx(peak * (top // 2) / top)
    assert found[steps] == pytest.approx(0, abs=1e-6 * peak) and found[steps - 1] < 0.05 * peak


@pytest.mark.parametrize("wrong", [{"peak": 0}, {"peak": math.nan}, {"steps": 0}, {"warmup": 1}, {"warmup": -0.1}])
def test_a_schedule_out_of_range_is_refused_with_what_was_received(wrong):
    with pytest.raises(ValueError, match=r"must be positive and warmup in \[0, 1\); received peak=.*") as caught:
        training.warmup_cosine(**{"peak": 0.1, "steps": 10, **wrong})
    assert "{}={!r}".format(*next(iter(wrong.items()))) in str(caught.value)


# The training loop


@pytest.mark.backend
def test_the_error_reported_is_that_of_the_images_and_the_penalty_stands_apart():
    penalty = layers.ActivityRegularization(l1=0.5)
    model = training.glorot_start(chain(penalty=penalty), factor=4)
    others = blobs(9, seed=3), blobs(9, seed=4)
    # At this rate the weights stand still, so the errors before, during and after are one.
    history = training.fit(model, blobs(), epochs=2, batch_size=7, learning_rate=1e-9, validation=others, verbose=False)
    assert [len(entry) for entry in (history.mse, history.penalty, history.val_mse, history.seconds)] == [2] * 4
    assert history.mse == pytest.approx([metrics.mse(blobs(), model.reconstruct(blobs()))] * 2, rel=1e-5)
    assert history.val_mse == pytest.approx([metrics.mse(others[1], model.reconstruct(others[0]))] * 2, rel=1e-5)
    size = 0.5 * np.abs(model.encode(blobs())).sum()
    # Keras divides its own activity penalties by the batch size from 3.14 on.
    assert history.penalty == pytest.approx([size / 20] * 2, rel=1e-4)
    assert 0 < history.seconds[0] < history.seconds[1] < 60


def test_regularizers_inside_the_encoder_are_no_part_of_the_error():
    l1, l2 = keras.regularizers.L1(0.5), keras.regularizers.L2(0.5)
    code = layers.Dense(3, "sigmoid", kernel_regularizer=l2, activity_regularizer=l1)
    encoder = keras.Sequential([layers.Input(SHAPE), layers.Flatten(), code])
    model = models.Autoencoder(encoder, models.mlp_decoder(SHAPE, 3, ()))
    options = {"epochs": 1, "batch_size": 20, "learning_rate": 1e-9, "verbose": False}
    history = training.fit(model, blobs(), validation=blobs(9), **options)
    assert history.mse[0] == pytest.approx(metrics.mse(blobs(), model.reconstruct(blobs())), rel=1e-5)
    assert history.val_mse[0] == pytest.approx(metrics.mse(blobs(9), model.reconstruct(blobs(9))), rel=1e-5)
    size = 0.5 * np.abs(model.encode(blobs())).sum() / 20 + 0.5 * np.sum(code.get_weights()[0] ** 2)
    assert history.penalty[0] == pytest.approx(size, rel=1e-4)


@pytest.mark.backend
def test_the_same_seed_gives_the_same_bits_and_another_seed_another_order(capfd):
    (first, one), (again, two) = fitted(seed=5), fitted(seed=5)
    other, _ = fitted(seed=6)
    assert one.mse == two.mse and one.penalty == [0, 0, 0] and one.val_mse == []
    for a, b, c in zip(first.get_weights(), again.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    assert one.mse[2] < one.mse[0]
    assert capfd.readouterr().out == "", "quiet training printed something"


@pytest.mark.backend
def test_the_seed_governs_layers_of_noise_too():
    def errors(seed):
        keras.utils.set_random_seed(random.randrange(2**31))
        noisy = [layers.Input(SHAPE), layers.GaussianNoise(0.5), layers.Dropout(0.3)]
        model = models.Autoencoder(
            keras.Sequential([*noisy, *models.mlp_encoder(SHAPE, 3, (16,)).layers]), models.mlp_decoder(SHAPE, 3, (16,))
        )
        training.glorot_start(model)
        return training.fit(model, blobs(), epochs=2, batch_size=20, verbose=False, seed=seed).mse

    first = errors(4294967295)
    assert first == errors(4294967295)
    assert first != errors(0)


def test_training_with_a_target_restores_what_the_input_lacks():
    images = blobs(60)
    masked = images.copy()
    masked[:, 4:] = 0
    model = training.centred_start(chain(hidden=(32,), latent_dim=6), masked)
    training.fit(model, masked, images, epochs=20, batch_size=6, learning_rate=0.03, verbose=False)
    assert metrics.mse(images, model.reconstruct(masked)) < 0.5 * metrics.mse(images, masked)


def test_a_long_training_compiled_for_speed_learns_with_a_ragged_last_batch(capsys):
    images = blobs(699)
    model = training.centred_start(chain(), images)
    before = metrics.mse(images, model.reconstruct(images))
    history = training.fit(model, images, epochs=10, batch_size=7, seed=1)
    assert model.optimizer.iterations == 1000
    after = metrics.mse(images, model.reconstruct(images))
    assert after < 0.4 * before and history.mse[-1] == pytest.approx(after, rel=0.1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("epoch  1/10   mse 0.") and lines[-1].startswith("epoch 10/10   mse 0.")
    assert not any("validation" in line or "penalty" in line for line in lines)


@pytest.mark.parametrize("epochs", [1, 2, 9, 10, 11, 19, 21, 200, 999])
def test_progress_is_at_most_a_dozen_lines_with_the_first_and_the_last_epoch(capsys, epochs):
    progress = history.Progress(epochs, 0.01, True)
    for epoch in range(epochs):
        progress.on_epoch_end(epoch, {"loss": 1.5, "mse": 1.0, "val_loss": 2.5, "val_mse": 2.0})
    lines = capsys.readouterr().out.splitlines()
    assert min(epochs, 6) <= len(lines) <= 12
    assert lines[0].split()[1].startswith("1/") or lines[0].split()[1] == "1"
    assert f"{epochs}/{epochs}" in lines[-1]
    assert "mse 1.00000   penalty 0.50000   validation mse 2.00000" in lines[0]


def test_no_penalty_is_shown_where_loss_and_mse_differ_by_rounding(capsys):
    progress = history.Progress(2, 0.01, True)
    for loss in (0.0389998, 0.0390000):
        progress.on_epoch_end(0, {"loss": loss, "mse": 0.039 + 2e-6})
    assert "penalty" not in capsys.readouterr().out


@pytest.mark.backend
def test_an_image_that_is_not_finite_stops_the_training_in_the_first_epoch():
    images = blobs()
    images[3, 2, 2] = math.nan
    with pytest.raises(FloatingPointError, match=r"the loss became nan in epoch 1 of 3: lower .* not finite"):
        training.fit(chain(), images, epochs=3, batch_size=7, verbose=False)


def test_validation_images_that_are_not_finite_stop_the_training():
    with pytest.raises(FloatingPointError, match=r"the val_loss became nan in epoch 1 of 3"):
        fitted(validation=np.full((4, *SHAPE), np.nan, "f4"))


@pytest.mark.backend
def test_an_exploding_learning_rate_stops_the_training_early_and_is_named():
    linear = models.mlp_decoder(SHAPE, 3, (), output_activation=None)
    model = models.Autoencoder(models.mlp_encoder(SHAPE, 3, (), latent_activation=None), linear)
    with pytest.raises(FloatingPointError, match=r"in epoch [123] of 50: lower .*\(1e\+25 at its peak\)"):
        training.fit(model, blobs(), epochs=50, batch_size=7, learning_rate=1e25, verbose=False)


@pytest.mark.parametrize(
    ("images", "target"),
    [(blobs(9), blobs(8)), (blobs(9), np.zeros(9)), (blobs(9), np.zeros((9, 1, 1, 1))), (blobs(0), None)],
)
def test_a_target_that_is_not_like_the_output_is_refused(images, target):
    with pytest.raises(ValueError, match=r"target must have the shape of the output, \(\d, 8, 8, 1\).*; received \(\d"):
        training.fit(chain(), images, target, epochs=1, verbose=False)


def test_a_validation_pair_of_two_lengths_is_refused():
    with pytest.raises(ValueError, match="same number of samples"):
        fitted(validation=(blobs(5), blobs(4)))


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"epochs": 2.5}, {"batch_size": 0}, {"batch_size": "7"}])
def test_epochs_and_batch_size_must_be_positive_integers(wrong):
    with pytest.raises(ValueError, match=r"epochs and batch_size must be positive integers; received .*") as caught:
        fitted(**wrong)
    assert repr(next(iter(wrong.values()))) in str(caught.value)


@pytest.mark.backend
def test_a_convolutional_network_learns_and_keeps_its_statistics_finite():
    model, images = convolutional(), blobs()
    before = metrics.mse(images, model.reconstruct(images))
    history = training.fit(model, images, epochs=15, batch_size=8, learning_rate=0.03, verbose=False)
    assert history.mse[-1] < 0.6 * history.mse[0]
    assert metrics.mse(images, model.reconstruct(images)) < before
    assert all(np.isfinite(array).all() for array in model.get_weights())


@pytest.mark.backend
def test_fast_settings_compile_long_trainings_of_large_dense_networks_on_tensorflow_and_leave_the_rest_to_keras():
    net = convolutional()
    large = models.lecture_autoencoder()
    found = [
        training.fast_settings(*given) for given in [(large, 70, 40), (large, 5, 2), (net, 70, 40), (chain(), 70, 40)]
    ]
    if keras.backend.backend() == "tensorflow":
        assert [given["jit_compile"] for given in found] == [True, False, False, False]
        assert [given["steps_per_execution"] for given in found] == [32, 5, 32, 32]
    else:
        assert found == [{"jit_compile": "auto", "steps_per_execution": 1}] * 4
    assert set(found[0]) <= set(inspect.signature(keras.Model.compile).parameters)


@pytest.mark.only_on("tensorflow")  # the others trace in their own ways
def test_tensorflow_traces_a_training_step_once():
    class Counting(models.Autoencoder):
        traced = 0

        def train_step(self, data):
            Counting.traced += 1
            return super().train_step(data)

    parts = convolutional()
    training.fit(Counting(parts.encoder, parts.decoder), blobs(), epochs=2, batch_size=10, verbose=False)
    assert Counting.traced == 1


def test_tensorflow_says_nothing_of_retracing_once_keras_was_imported_quietly(caplog):
    with aelib.quiet():
        pass
    logger = logging.getLogger("tensorflow")
    logger.warning("5 out of the last 5 calls triggered tf.function retracing")
    logger.warning("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]


@pytest.mark.parametrize("collecting", [True, False])
def test_importing_quietly_leaves_the_garbage_collector_as_it_was(collecting):
    before = gc.isenabled()
    try:
        (gc.enable if collecting else gc.disable)()
        with pytest.raises(ImportError), aelib.quiet():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() is collecting
    finally:
        (gc.enable if before else gc.disable)()
