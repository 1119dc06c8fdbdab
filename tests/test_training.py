"""aelib.training, aelib.callbacks: the steps of the recipe against NumPy, the schedule, what `fit` is short for."""

import inspect
import math
import warnings

import keras
import numpy as np
import pytest
from helpers import activations, autoencoder, blobs, refusal, weights_of
from keras import layers, ops

from aelib import callbacks, initializers, metrics, models, training

SHAPE = (8, 8, 1)
backend = pytest.mark.backend


def convolutional():
    return models.Autoencoder(models.conv_encoder(SHAPE, 2, (4,)), models.conv_decoder(SHAPE, 2, (4,)))


def fitted(seed=0, penalty=None, **kwargs):
    model = autoencoder(penalty=penalty)
    given = {"epochs": 3, "batch_size": 7, "learning_rate": 0.02, "verbose": 0, **kwargs}
    return model, training.fit(model, blobs(), seed=seed, **given).history


def assert_same_weights(model, other):
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def have_same_weights(model, other):
    return all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))


# The oracle: gradients of a chain of sigmoids, and Adam as its paper writes it, in NumPy


def error_and_gradients(weights, images, targets):
    values = activations(weights, images)
    residual = values[-1] - np.reshape(targets, (len(targets), -1))
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


def adam(weights, images, targets, rates, decay=0.0):
    """Return the weights after one full-batch step per rate, and the error before each."""
    errors, state = [], [[0, 0] for layer in weights for _ in layer]
    flat = [array for layer in weights for array in layer]
    for step, rate in enumerate(rates, 1):
        error, gradients = error_and_gradients(list(zip(flat[::2], flat[1::2], strict=True)), images, targets)
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
    weights = weights_of(autoencoder())
    images, targets = blobs(5), blobs(5, seed=1)
    _, gradients = error_and_gradients(weights, images, targets)
    for layer, (kernel, bias) in enumerate(weights):
        for part, (array, place) in enumerate([(kernel, (1, 2)), (kernel, (-1, 0)), (bias, (1,))]):
            around = []
            for change in (1e-5, -1e-5):
                array[place] += change
                around.append(error_and_gradients(weights, images, targets)[0])
                array[place] -= change
            assert gradients[layer][part == 2][place] == pytest.approx((around[0] - around[1]) / 2e-5, rel=1e-5)


@backend
def test_three_steps_of_gradient_descent_are_those_of_numpy():
    model = initializers.data_dependent(autoencoder(), blobs())
    images, targets, weights = blobs(), blobs(seed=1), weights_of(model)
    model.compile(keras.optimizers.SGD(50.0), "mse")
    seen = model.fit(images, targets, batch_size=20, epochs=3, shuffle=False, verbose=0).history["loss"]
    expected = []
    for _ in range(3):
        error, gradients = error_and_gradients(weights, images, targets)
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


@backend
@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_the_recipe_takes_the_steps_of_adam_under_warm_up_and_cosine(weight_decay):
    model = initializers.data_dependent(autoencoder(), blobs())
    images, targets, weights = blobs(), blobs(seed=1), weights_of(model)
    options = {"epochs": 12, "batch_size": 20, "learning_rate": 0.02, "weight_decay": weight_decay}
    history = training.fit(model, images, targets, verbose=0, **options).history
    expected, errors = adam(weights, images, targets, [rate_at(k, 0.02, 12) for k in range(12)], weight_decay)
    assert errors[-1] < 0.85 * errors[0]
    np.testing.assert_allclose(history["mse"], errors, rtol=1e-5)
    for mine, theirs in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


# The three fits: plain Keras, the shorthand, and both with callbacks


@backend
def test_fit_is_short_for_the_plain_lines():
    images, others = blobs(), blobs(9, seed=3)
    plain = autoencoder()
    keras.utils.set_random_seed(5)
    plain.compile(**training.recipe(steps=9, learning_rate=0.02))
    history = plain.fit(images, images, epochs=3, batch_size=7, validation_data=(others, others), verbose=0).history
    model, same = fitted(seed=5, validation_data=others)
    assert_same_weights(model, plain)
    assert set(history) == {"loss", "mse", "val_loss", "val_mse"} and set(same) == {*history, "seconds"}
    assert {name: same[name] for name in history} == history
    assert history["mse"][2] < history["mse"][0]


@backend
@pytest.mark.parametrize("short", [False, True])
def test_the_callbacks_of_keras_work(short, tmp_path):
    for package in ("tensorflow", "tensorboard"):
        pytest.importorskip(package, reason="keras.callbacks.TensorBoard writes with TensorFlow and TensorBoard")
    model, images = autoencoder(), blobs()
    given = {
        "epochs": 6,
        "batch_size": 10,
        "validation_data": (blobs(9, seed=3), blobs(9, seed=3)),
        "verbose": 0,
        "callbacks": [
            # No epoch is better by so much than the first: the training stops after the second.
            keras.callbacks.EarlyStopping("val_mse", min_delta=1.0, patience=1),
            keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", "val_mse", save_best_only=True),
            keras.callbacks.TensorBoard(tmp_path / "logs"),
        ],
    }
    with pytest.warns(UserWarning, match="4 updates, its learning rate schedule was made for 12"):
        if short:
            history = training.fit(model, images, **given).history
        else:
            model.compile(**training.recipe(steps=12))
            history = model.fit(images, images, **given).history
    assert len(history["val_mse"]) == 2 and history["val_mse"][1] < history["val_mse"][0]
    best = keras.saving.load_model(tmp_path / "best.keras")
    assert_same_weights(best, model)
    assert list((tmp_path / "logs").rglob("events.*"))


@backend
def test_callbacks_are_called_after_those_of_the_recipe_and_see_the_seconds():
    seen = []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(sorted(logs)))
    fitted(callbacks=[note])
    assert seen == [["loss", "mse", "seconds"]] * 3


# Whatever Keras's fit takes


class Batches(keras.utils.PyDataset):
    def __init__(self, images, size):
        super().__init__()
        self.images, self.size = images, size

    def __len__(self):
        return math.ceil(len(self.images) / self.size)

    def __getitem__(self, index):
        batch = self.images[index * self.size : (index + 1) * self.size]
        return batch, batch


def as_dataset(kind, images, size):
    if kind == "PyDataset":
        return Batches(images, size)
    if kind == "tf.data":
        tensorflow = pytest.importorskip("tensorflow")
        return tensorflow.data.Dataset.from_tensor_slices((images, images)).batch(size)
    torch = pytest.importorskip("torch")
    both = torch.utils.data.TensorDataset(torch.tensor(images), torch.tensor(images))
    return torch.utils.data.DataLoader(both, batch_size=size)


each_dataset = pytest.mark.parametrize("kind", ["PyDataset", "tf.data", "DataLoader"])


@backend
@each_dataset
def test_a_dataset_trains_as_its_arrays_do(kind):
    images, others = blobs(), blobs(9, seed=3)
    model, expected = fitted(validation_data=others, shuffle=False)
    other = autoencoder()
    given = {"epochs": 3, "learning_rate": 0.02, "verbose": 0, "seed": 0, "shuffle": False}
    data = as_dataset(kind, images, 7), as_dataset(kind, others, 32)
    history = training.fit(other, data[0], validation_data=data[1], **given).history
    assert int(other.optimizer.iterations) == 9
    for name in ("loss", "mse", "val_loss", "val_mse"):
        assert history[name] == pytest.approx(expected[name], rel=1e-4)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)


@each_dataset
def test_targets_and_batch_sizes_given_together_with_a_dataset_are_refused(kind):
    data = as_dataset(kind, blobs(), 7)
    message = refusal(lambda: training.fit(autoencoder(), data, blobs(), epochs=1))
    assert message == "x is a dataset, which brings its own targets and batches; received y as well"
    message = refusal(lambda: training.fit(autoencoder(), data, epochs=1, batch_size=5))
    assert message.endswith("received batch_size as well")


@backend
def test_a_dataset_without_a_length_needs_steps_per_epoch():
    def forever():
        while True:
            yield blobs(7), blobs(7)

    message = refusal(lambda: training.fit(autoencoder(), forever(), epochs=2, verbose=0))
    assert message == "x is a dataset of unknown or infinite length; give steps_per_epoch as well"
    model = autoencoder()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*schedule.*")
        training.fit(model, forever(), epochs=2, steps_per_epoch=3, verbose=0)
    assert int(model.optimizer.iterations) == 6


@backend
def test_sample_weights_are_passed_on():
    images, weights = blobs(), np.linspace(0, 2, 20, dtype="float32")
    model, history = fitted(sample_weight=weights, epochs=1, batch_size=20, learning_rate=1e-9)
    errors = metrics.mse_per_image(images, model.reconstruct(images))
    assert history["loss"] == pytest.approx([np.mean(weights * errors)], rel=1e-4)
    assert history["mse"] == pytest.approx([np.mean(errors)], rel=1e-4)
    assert abs(history["loss"][0] - history["mse"][0]) > 1e-4 * history["mse"][0]
    _, history = fitted(validation_data=(images, images, weights), epochs=1, learning_rate=1e-9)
    assert history["val_loss"] == pytest.approx([np.mean(weights * errors)], rel=1e-3)


@backend
def test_weights_of_pixels_are_passed_on():
    images = blobs()
    left = np.zeros((20, 8, 8), "float32")
    left[:, :, :4] = 1
    model, history = fitted(sample_weight=left, epochs=1, batch_size=20, learning_rate=1e-9)
    errors = (images - model.reconstruct(images))[:, :, :4]
    assert history["loss"] == pytest.approx([np.mean(errors**2) / 2], rel=1e-4)


@pytest.mark.parametrize("wrong", [np.ones(19), np.ones((20, 1)), np.ones(8), "abc", [math.nan] * 20])
def test_weights_that_are_not_one_for_each_sample_are_refused(wrong):
    assert refusal(lambda: fitted(sample_weight=wrong)).startswith("sample_weight must ")
    message = refusal(lambda: fitted(validation_data=(blobs(), blobs(), wrong)))
    assert message.startswith("the weights of validation_data must ")


def test_initial_epoch_is_passed_on_and_counted():
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*schedule.*")
        model, history = fitted(initial_epoch=1)
    assert len(history["loss"]) == 2 and int(model.optimizer.iterations) == 6


def test_validation_steps_and_frequency_are_passed_on():
    _, history = fitted(epochs=4, validation_data=blobs(9), validation_freq=2)
    assert len(history["val_mse"]) == 2


# The callbacks in a plain fit


def plain_fit(images, epochs=3, model=None, **kwargs):
    model = model or autoencoder()
    model.compile(**training.recipe(steps=epochs * math.ceil(len(images) / 32)))
    return model.fit(images, images, epochs=epochs, verbose=0, **kwargs).history


@backend
def test_raise_on_nan_stops_a_plain_fit_in_the_first_epoch():
    images = blobs()
    images[3, 2, 2] = math.nan
    assert math.isnan(plain_fit(images)["loss"][2])
    with pytest.raises(FloatingPointError, match=r"the loss became nan in epoch 1: lower the learning rate, .* finite"):
        plain_fit(images, callbacks=[callbacks.RaiseOnNaN()])


@backend
def test_raise_on_nan_looks_at_the_validation_data_too():
    nan = np.full((4, *SHAPE), np.nan, "f4")
    with pytest.raises(FloatingPointError, match="the val_loss became nan in epoch 1"):
        plain_fit(blobs(), validation_data=(nan, nan), callbacks=[callbacks.RaiseOnNaN()])


@backend
def test_raise_on_nan_lets_a_finite_loss_pass():
    assert len(plain_fit(blobs(), callbacks=[callbacks.RaiseOnNaN()])["loss"]) == 3


@backend
def test_an_exploding_learning_rate_stops_the_training_early():
    linear = models.mlp_decoder(SHAPE, 3, (), output_activation=None)
    model = models.Autoencoder(models.mlp_encoder(SHAPE, 3, (), latent_activation=None), linear)
    with pytest.raises(FloatingPointError, match=r"the loss became (inf|nan) in epoch [123]: lower the learning rate"):
        training.fit(model, blobs(), epochs=50, batch_size=7, learning_rate=1e25, verbose=0)


@backend
def test_progress_lines_add_the_seconds_and_print_in_a_plain_fit(capsys):
    history = plain_fit(blobs(), validation_data=(blobs(9), blobs(9)), callbacks=[callbacks.ProgressLines()])
    first, second, third = history["seconds"]
    assert 0 < first < second < third < 60
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("   ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    error, val = history["mse"][2], history["val_mse"][2]
    assert lines[2] == f"epoch 3/3   mse {error:.5f}   validation mse {val:.5f}   {third:.1f} s"


def test_progress_lines_can_be_silent(capsys):
    assert len(plain_fit(blobs(), callbacks=[callbacks.ProgressLines(verbose=False)])["seconds"]) == 3
    assert capsys.readouterr().out == ""


def lines_of(capsys, epochs, logs):
    progress = callbacks.ProgressLines()
    progress.set_params({"epochs": epochs})
    progress.on_train_begin()
    for epoch in range(epochs):
        progress.on_epoch_end(epoch, dict(logs))
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("epochs", [1, 2, 9, 10, 11, 19, 21, 200, 999])
def test_progress_is_at_most_a_dozen_lines_with_the_first_and_the_last_epoch(capsys, epochs):
    lines = lines_of(capsys, epochs, {"loss": 1.5, "mse": 1.0, "val_loss": 2.5, "val_mse": 2.0})
    assert min(epochs, 6) <= len(lines) <= 12
    assert lines[0].split()[1].startswith("1/") or lines[0].split()[1] == "1"
    assert f"{epochs}/{epochs}" in lines[-1]
    assert "mse 1.00000   penalty 0.50000   validation mse 2.00000" in lines[0]


def test_no_penalty_is_shown_where_loss_and_mse_differ_by_rounding(capsys):
    for loss in (0.0389998, 0.0390000):
        assert "penalty" not in lines_of(capsys, 1, {"loss": loss, "mse": 0.039 + 2e-6})[0]
    assert "penalty 0.00010" in lines_of(capsys, 1, {"loss": 0.0391, "mse": 0.039})[0]


def test_fit_prints_the_lines_unless_it_is_told_otherwise(capfd):
    fitted(epochs=2, verbose=1)
    assert len(capfd.readouterr().out.splitlines()) == 2
    fitted(epochs=2, verbose=2)
    assert "Epoch 2/2" in capfd.readouterr().out


# The schedule and its length


@backend
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


@pytest.mark.parametrize(
    "wrong", [{"peak": 0}, {"peak": math.nan}, {"steps": 0}, {"steps": 2.5}, {"warmup": 1}, {"warmup": -0.1}]
)
def test_a_schedule_out_of_range_is_refused_with_what_was_received(wrong):
    (name, value), *_ = wrong.items()
    message = refusal(lambda: training.warmup_cosine(**{"peak": 0.1, "steps": 10, **wrong}))
    assert message.startswith(f"{name} must be ") and message.endswith(f"received {value!r}")


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"steps": "9"}, {"learning_rate": 0}, {"learning_rate": "x"}, {"weight_decay": -1}]
)
def test_a_recipe_out_of_range_is_refused_with_what_was_received(wrong):
    (name, value), *_ = wrong.items()
    message = refusal(lambda: training.recipe(**{"steps": 10, **wrong}))
    assert message.startswith(f"{name} must be ") and message.endswith(f"received {value!r}")


@pytest.mark.backend
def test_the_recipe_updates_weights_in_the_way_that_keras_made_for_the_backend():
    assert isinstance(training.recipe(steps=1)["optimizer"], type(keras.optimizers.Adam()))


def test_a_recipe_is_arguments_of_compile_and_no_weight_decay_is_plain_adam():
    recipe = training.recipe(steps=np.int64(10))
    assert set(recipe) <= set(inspect.signature(keras.Model.compile).parameters)
    assert (recipe["loss"], recipe["metrics"], recipe["jit_compile"]) == ("mse", ["mse"], "auto")
    assert recipe["optimizer"].weight_decay is None and recipe["optimizer"].steps == 10
    assert training.recipe(steps=10, weight_decay=0.1)["optimizer"].weight_decay == 0.1


@backend
@pytest.mark.parametrize(("epochs", "words"), [(2, "still high"), (4, "learning rate 0")])
def test_a_fit_of_another_length_than_its_schedule_warns(epochs, words):
    model = autoencoder()
    model.compile(**training.recipe(steps=9))
    with pytest.warns(UserWarning, match=f"made {3 * epochs} updates.* for 9: .*{words}") as caught:
        model.fit(blobs(), blobs(), epochs=epochs, batch_size=7, verbose=0)
    assert [one.filename for one in caught if "schedule" in str(one.message)] == [__file__]


@backend
def test_a_second_fit_of_a_finished_schedule_warns_and_changes_nothing_but_training_fit_learns_again():
    model, images = autoencoder(), blobs()
    model.compile(**training.recipe(steps=9, learning_rate=0.02))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*schedule.*")
        first = model.fit(images, images, epochs=3, batch_size=7, verbose=0).history
    trained = autoencoder()
    trained.set_weights(model.get_weights())
    with pytest.warns(UserWarning, match="made 18 updates.* for 9: .*learning rate 0"):
        model.fit(images, images, epochs=3, batch_size=7, verbose=0)
    for one, two in zip(model.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*schedule.*")
        again = training.fit(model, images, epochs=3, batch_size=7, learning_rate=0.02, verbose=0).history
    assert again["mse"][2] < 0.99 * first["mse"][2]
    assert not have_same_weights(model, trained)


@backend
def test_the_optimizer_survives_its_configuration():
    optimizer = training.recipe(steps=9, learning_rate=0.02, weight_decay=0.1)["optimizer"]
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is training.ScheduledAdam
    assert (again.steps, again.weight_decay, again.name) == (9, 0.1, "adam")
    assert again.get_config() == optimizer.get_config()


# Seeds


@backend
def test_a_seed_is_that_of_keras_and_without_one_the_generators_are_left_alone():
    def after(start, **given):
        keras.utils.set_random_seed(start)
        model = autoencoder(penalty=layers.Dropout(0.3))
        keras.utils.set_random_seed(start + 100)
        training.fit(model, blobs(), epochs=2, batch_size=7, learning_rate=0.02, verbose=0, **given)
        return model

    # The noise of a dropout layer follows its own seed, drawn when it is made; the order of batches that of the fit.
    first = after(1)
    assert_same_weights(first, after(1))
    assert_same_weights(first, after(1, seed=np.int64(101)))
    assert not have_same_weights(first, after(1, seed=7))


@backend
def test_the_same_seed_gives_the_same_bits_and_another_seed_another_order(capfd):
    (first, one), (again, two) = fitted(seed=5), fitted(seed=5)
    other, _ = fitted(seed=6)
    assert one["mse"] == two["mse"] == pytest.approx(one["loss"], rel=1e-6) and "val_mse" not in one
    assert_same_weights(first, again)
    assert not any(np.array_equal(a, b) for a, b in zip(first.get_weights(), other.get_weights(), strict=True))
    assert one["mse"][2] < one["mse"][0]
    assert capfd.readouterr().out == "", "quiet training printed something"


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "0", True])
def test_a_bad_seed_is_named_and_shown(seed):
    assert refusal(lambda: fitted(seed=seed)) == f"seed must be an integer from 0 to 4,294,967,295; received {seed!r}"


# What the history holds


@backend
def test_the_error_reported_is_that_of_the_images_and_the_penalty_stands_apart():
    model = autoencoder(penalty=layers.ActivityRegularization(l1=0.5))
    others = blobs(9, seed=3), blobs(9, seed=4)
    # At this rate the weights stand still, so the errors before, during and after are one.
    options = {"epochs": 2, "batch_size": 7, "learning_rate": 1e-9, "validation_data": others, "verbose": 0}
    history = training.fit(model, blobs(), **options)
    assert isinstance(history, keras.callbacks.History) and history.model is model
    history = history.history
    assert {len(entry) for entry in history.values()} == {2}
    assert history["mse"] == pytest.approx([metrics.mse(blobs(), model.reconstruct(blobs()))] * 2, rel=1e-5)
    assert history["val_mse"] == pytest.approx([metrics.mse(others[1], model.reconstruct(others[0]))] * 2, rel=1e-5)
    size = 0.5 * np.abs(model.encode(blobs())).sum()
    # Keras divides its own activity penalties by the batch size from 3.14 on.
    assert np.subtract(history["loss"], history["mse"]) == pytest.approx([size / 20] * 2, rel=1e-4)
    assert 0 < history["seconds"][0] < history["seconds"][1] < 60


def test_regularizers_inside_the_encoder_are_no_part_of_the_error():
    l1, l2 = keras.regularizers.L1(0.5), keras.regularizers.L2(0.5)
    code = layers.Dense(3, "sigmoid", kernel_regularizer=l2, activity_regularizer=l1)
    encoder = keras.Sequential([layers.Input(SHAPE), layers.Flatten(), code])
    model = models.Autoencoder(encoder, models.mlp_decoder(SHAPE, 3, ()))
    options = {"epochs": 1, "batch_size": 20, "learning_rate": 1e-9, "verbose": 0}
    history = training.fit(model, blobs(), validation_data=blobs(9), **options).history
    assert history["mse"][0] == pytest.approx(metrics.mse(blobs(), model.reconstruct(blobs())), rel=1e-5)
    assert history["val_mse"][0] == pytest.approx(metrics.mse(blobs(9), model.reconstruct(blobs(9))), rel=1e-5)
    size = 0.5 * np.abs(model.encode(blobs())).sum() / 20 + 0.5 * np.sum(code.get_weights()[0] ** 2)
    assert history["loss"][0] - history["mse"][0] == pytest.approx(size, rel=1e-4)


# It learns


def test_training_with_targets_restores_what_the_input_lacks():
    images = blobs(60)
    masked = images.copy()
    masked[:, 4:] = 0
    model = initializers.data_dependent(autoencoder(hidden=(32,), latent_dim=6), masked)
    training.fit(model, masked, images, epochs=20, batch_size=6, learning_rate=0.03, verbose=0)
    assert metrics.mse(images, model.reconstruct(masked)) < 0.5 * metrics.mse(images, masked)


def test_a_long_training_learns_with_a_smaller_last_batch(capsys):
    images = blobs(699)
    model = initializers.data_dependent(autoencoder(), images)
    before = metrics.mse(images, model.reconstruct(images))
    history = training.fit(model, images, epochs=10, batch_size=7, seed=1).history
    assert model.optimizer.iterations == 1000
    after = metrics.mse(images, model.reconstruct(images))
    assert after < 0.4 * before and history["mse"][-1] == pytest.approx(after, rel=0.1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("epoch  1/10   mse 0.") and lines[-1].startswith("epoch 10/10   mse 0.")
    assert not any("validation" in line or "penalty" in line for line in lines)


@backend
def test_a_convolutional_network_learns_and_keeps_its_statistics_finite():
    keras.utils.set_random_seed(0)
    model, images = convolutional(), blobs()
    before = metrics.mse(images, model.reconstruct(images))
    history = training.fit(model, images, epochs=15, batch_size=8, learning_rate=0.03, verbose=0).history
    assert history["mse"][-1] < 0.6 * history["mse"][0]
    assert metrics.mse(images, model.reconstruct(images)) < before
    assert all(np.isfinite(array).all() for array in model.get_weights())


# Speed


@backend
def test_long_trainings_of_large_dense_networks_are_compiled_on_tensorflow_and_the_rest_is_left_to_keras():
    net, large, small = convolutional(), models.lecture_autoencoder(), autoencoder()
    small(blobs(2))
    found = [training.recipe(steps=steps, model=model) for model, steps in ((large, 2800), (large, 5), (net, 2800))]
    found += [training.recipe(steps=2800, model=small), training.recipe(steps=2800)]
    compiled = [recipe["jit_compile"] for recipe in found]
    steps = [recipe["steps_per_execution"] for recipe in found]
    if keras.backend.backend() == "tensorflow":
        assert compiled == [True, False, False, False, "auto"]
        assert steps == [32, 5, 32, 32, 32]
    else:
        assert compiled == ["auto"] * 5 and steps == [1] * 5


@pytest.mark.only_on("tensorflow")  # the others trace in their own ways
def test_tensorflow_traces_a_training_step_once():
    class Counting(models.Autoencoder):
        traced = 0

        def train_step(self, data):
            Counting.traced += 1
            return super().train_step(data)

    parts = convolutional()
    training.fit(Counting(parts.encoder, parts.decoder), blobs(), epochs=2, batch_size=10, verbose=0)
    assert Counting.traced == 1
