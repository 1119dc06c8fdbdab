"""An autoencoder and images go in; the same autoencoder, trained, and its error per epoch come out."""

import math

import keras
import numpy as np
from keras import layers

from aelib.training.history import Progress
from aelib.training.optimizer import adam


def warmup_cosine(peak, steps, *, warmup=0.15):
    """Learning rate per step: linear from 0 to `peak` over the first share `warmup` of the steps, then a cosine to 0.

    Args:
        peak: highest learning rate.
        steps: number of weight updates in the whole training.
        warmup: share of the steps, in [0, 1).

    Returns:
        A `keras.optimizers.schedules.CosineDecay`.

    Raises:
        ValueError: for a peak or a number of steps that is not positive, or a share outside [0, 1).
    """
    if not peak > 0 or not steps > 0 or not 0 <= warmup < 1:
        received = f"peak={peak!r}, steps={steps!r}, warmup={warmup!r}"
        raise ValueError(f"peak and steps must be positive and warmup in [0, 1); received {received}")
    rising = max(1, round(warmup * steps))
    return keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=max(1, steps - rising), warmup_target=peak, warmup_steps=rising
    )


def fit(
    model,
    images,
    target=None,
    *,
    epochs,
    batch_size=50,
    learning_rate=0.01,
    weight_decay=0.0,
    validation=None,
    seed=0,
    verbose=True,
):
    """Trains with mean squared error, Adam, warm-up and cosine decay, compiled for speed on each backend.

    Args:
        model: an `Autoencoder` or any Keras model from images to images, already started.
        images: (n, height, width, channels), the inputs; or a `keras.utils.PyDataset` of (inputs, targets), such as
            `ImageFiles`, which brings its own order and batch size.
        target: what the output is compared with, of its shape; the images themselves when None.
        epochs, batch_size: positive integers; a batch size that divides n saves TensorFlow a second compilation.
        learning_rate: the highest one of the schedule.
        weight_decay: as in AdamW (Loshchilov and Hutter 2019); 0 means plain Adam.
        validation: images, or a pair (inputs, targets), measured after every epoch.
        seed: of everything random from here on in this process: order of the images, noise layers.
        verbose: True prints about ten lines, however many epochs there are.

    Returns:
        A `History`.

    Raises:
        ValueError: for shapes that differ or arguments out of range, or batches that the devices of
            `keras.distribution` cannot share equally.
        FloatingPointError: within an epoch of the loss becoming NaN or infinite.
    """
    if not all(isinstance(number, int | np.integer) and number > 0 for number in (epochs, batch_size)):
        raise ValueError(f"epochs and batch_size must be positive integers; received {epochs!r} and {batch_size!r}")
    if isinstance(images, keras.utils.PyDataset):
        data, steps = {"x": images}, len(images)
        inputs, outputs = images[0]
        sizes = {len(inputs), len(images[steps - 1][0])}
    else:
        data = {"x": images, "y": images if target is None else target, "batch_size": batch_size}
        steps, inputs, outputs = math.ceil(len(images) / batch_size), images[:batch_size], data["y"]
        sizes = {min(batch_size, len(images)), len(images) % batch_size} - {0}
    _check_shapes(model, images if "y" in data else inputs, outputs)
    _check_devices(sizes)
    validation = validation if isinstance(validation, tuple | list | None) else (validation, validation)
    first = model(inputs)  # here a penalty can say which codes it refuses, in a compiled step no longer
    _reseed(model, seed)
    optimizer = adam(warmup_cosine(learning_rate, epochs * steps), weight_decay or None)
    model.compile(optimizer, "mse", metrics=["mse"], **fast_settings(model, steps, epochs))
    # TensorFlow traces a training step twice when the first trace makes variables: those of Adam and of the metric.
    model.optimizer.build(model.trainable_variables)
    model.compute_metrics(inputs, outputs[: len(inputs)], first)
    model.reset_metrics()
    progress = Progress(epochs, learning_rate, verbose)
    model.fit(**data, epochs=epochs, verbose=0, callbacks=[progress], validation_data=validation)
    return progress.history


def fast_settings(model, steps, epochs):
    """Arguments for `compile` that train this model fastest on a CPU with the backend in use.

    Args:
        model: a built Keras model.
        steps: weight updates per epoch.
        epochs: how many of them.

    Returns:
        A dictionary with `jit_compile` and `steps_per_execution`.
    """
    if keras.backend.backend() != "tensorflow":
        return {"jit_compile": "auto", "steps_per_execution": 1}
    # Keras's "auto" never uses XLA on a CPU. It makes dense layers faster and convolutions slower than TensorFlow's
    # own kernels, and takes a second or two to compile, which a short training or a small network does not earn back.
    slower = any(isinstance(layer, layers.Conv2D) or not layer.supports_jit for layer in model._flatten_layers())
    updates = steps * epochs * sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return {"jit_compile": not slower and updates >= 7e8, "steps_per_execution": min(32, steps)}


def _check_shapes(model, inputs, targets):
    # The loss would silently broadcast a target of another shape, such as labels.
    shape = (len(inputs), *model.compute_output_spec(keras.KerasTensor(np.shape(inputs))).shape[1:])
    if np.shape(targets) != shape or not len(inputs):
        raise ValueError(f"target must have the shape of the output, {shape}, not empty; received {np.shape(targets)}")


def _check_devices(sizes):
    distribution = keras.distribution.distribution()
    count = distribution.device_mesh.devices.size if distribution else 1
    if any(size % count for size in sizes):
        received = " and ".join(map(str, sorted(sizes, reverse=True)))
        raise ValueError(f"batch_size must give batches that {count} devices can share equally; received {received}")


def _reseed(model, seed):
    # Layers of noise and dropout draw from a state of their own, which Keras's global seed no longer reaches.
    keras.utils.set_random_seed(seed)
    for index, variable in enumerate(model.variables):
        if variable.name == "seed_generator_state":
            variable.assign(np.array([(seed + index) % 2**32, 0], "uint32"))
