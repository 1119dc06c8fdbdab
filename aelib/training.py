"""The recipe: an autoencoder and images go in; the same autoencoder, trained, and its error per epoch come out."""

import math
import time
from dataclasses import dataclass, field

import keras
import numpy as np
from keras import layers, ops


def glorot_start(model, *, factor=1.0, seed=0):
    """Draws dense weights as Glorot and Bengio (2010) do, times a factor; biases become zero.

    Args:
        model: a built Keras model; only its `Dense` layers are changed, in order. The draw is NumPy's, so every
            backend starts from the same numbers.
        factor: positive; 1 is the Keras default, 4 makes up for the slope of a sigmoid, 1/4 at most.
        seed: integer.

    Returns:
        The model.

    Raises:
        ValueError: for a factor that is not positive, or a model without dense layers.
    """
    if not factor > 0:
        raise ValueError(f"factor must be positive; received {factor!r}")
    random = np.random.default_rng(seed)
    for layer in _dense_layers(model):
        weights = [factor * _glorot_draw(random, layer), np.zeros(layer.units, "float32")]
        layer.set_weights(weights[: len(layer.weights)])
    return model


def centred_start(model, images, *, seed=0, deviation=2.0, output_deviation=0.5):
    """A start for chains of sigmoids that looks at the data: every unit begins around the middle of its slope.

    Layer by layer: draw Glorot weights, scale them so that the pre-activations, less each unit's mean, have the given
    standard deviation over `images`, and set the bias to minus that mean. The last layer begins at the mean image: to
    its bias comes the logit of each pixel's mean. Mishkin and Matas (2016, arXiv:1511.06422) scale layer by layer
    too, but do not centre; the mean of 1/2 that a sigmoid passes on is what the bias removes here.

    Args:
        model: an `Autoencoder` of dense sigmoid layers with biases.
        images: (n, height, width, channels) in [0, 1]; 2,000 are plenty.
        seed: integer; the draw is NumPy's, so every backend starts from the same numbers.
        deviation: of the pre-activations of every layer but the last.
        output_deviation: of those of the last layer.

    Returns:
        The model.

    Raises:
        ValueError: for a model without dense layers, or images that do not vary.
    """
    random = np.random.default_rng(seed)
    dense = _dense_layers(model)
    pixel_mean = np.clip(np.reshape(images, (len(images), -1)).mean(0), 0.001, 0.999)
    values = ops.convert_to_tensor(images)
    for layer in _chain(model):
        if layer in dense:
            is_last = layer is dense[-1]
            kernel = _glorot_draw(random, layer)
            drive = ops.convert_to_numpy(values) @ kernel
            spread = (drive - drive.mean(0)).std()
            if not spread > 1e-6 * np.abs(drive).max():
                raise ValueError(f"images must vary and be finite; received a spread of {spread} at {layer.name!r}")
            scale = (output_deviation if is_last else deviation) / spread
            bias = -scale * drive.mean(0)
            if is_last:
                bias = bias + np.log(pixel_mean / (1 - pixel_mean))
            layer.set_weights([scale * kernel, bias])
        values = layer(values)
    return model


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


@dataclass(frozen=True)
class History:
    """What one training run left: one entry per epoch in each list.

    mse: reconstruction error on the training images, mean over pixels, averaged over the epoch while weights changed.
    penalty: what the loss held besides: lambda S(Z); zero without a penalty.
    val_mse: reconstruction error on the validation images after the epoch; empty when none were given.
    seconds: time since the start of the training, compilation included.
    """

    mse: list = field(default_factory=list)
    penalty: list = field(default_factory=list)
    val_mse: list = field(default_factory=list)
    seconds: list = field(default_factory=list)


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
        images: (n, height, width, channels), the inputs.
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
        ValueError: for shapes that differ or arguments out of range.
        FloatingPointError: within an epoch of the loss becoming NaN or infinite.
    """
    target = images if target is None else target
    # The loss would silently broadcast a target of another shape, such as labels.
    shape = (len(images), *model.compute_output_spec(keras.KerasTensor(np.shape(images))).shape[1:])
    if np.shape(target) != shape or not len(images):
        raise ValueError(f"target must have the shape of the output, {shape}, not empty; received {np.shape(target)}")
    if not all(isinstance(number, int | np.integer) and number > 0 for number in (epochs, batch_size)):
        raise ValueError(f"epochs and batch_size must be positive integers; received {epochs!r} and {batch_size!r}")
    validation = validation if isinstance(validation, tuple | list | None) else (validation, validation)
    first = model(images[:batch_size])  # here a penalty can say which codes it refuses, in a compiled step no longer
    _reseed(model, seed)
    steps = math.ceil(len(images) / batch_size)
    optimizer = keras.optimizers.Adam(warmup_cosine(learning_rate, epochs * steps), weight_decay=weight_decay or None)
    model.compile(optimizer, "mse", metrics=["mse"], **fast_settings(model, steps, epochs))
    # TensorFlow traces a training step twice when the first trace makes variables: those of Adam and of the metric.
    model.optimizer.build(model.trainable_variables)
    model.compute_metrics(images[:batch_size], target[:batch_size], first)
    model.reset_metrics()
    progress = _Progress(epochs, learning_rate, verbose)
    model.fit(images, target, batch_size, epochs, verbose=0, callbacks=[progress], validation_data=validation)
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


def _reseed(model, seed):
    # Layers of noise and dropout draw from a state of their own, which Keras's global seed no longer reaches.
    keras.utils.set_random_seed(seed)
    for index, variable in enumerate(model.variables):
        if variable.name == "seed_generator_state":
            variable.assign(np.array([(seed + index) % 2**32, 0], "uint32"))


class _Progress(keras.callbacks.Callback):
    """Keeps the history, prints a line every so many epochs, and stops on a loss that is no number."""

    def __init__(self, epochs, learning_rate, verbose):
        super().__init__()
        self.epochs, self.learning_rate, self.verbose = epochs, learning_rate, verbose
        self.history = History()
        self.every = math.ceil(epochs / 10)
        self.begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs):
        for name in ("loss", "val_loss"):
            if not math.isfinite(logs.get(name, 0)):
                raise FloatingPointError(
                    f"the {name} became {logs[name]} in epoch {epoch + 1} of {self.epochs}: lower the learning rate "
                    f"({self.learning_rate} at its peak), look for images that are not finite or codes a penalty bars"
                )
        history, penalty = self.history, logs["loss"] - logs["mse"]  # without one, a mean summed in two orders
        history.mse.append(float(logs["mse"]))
        history.penalty.append(float(penalty) if abs(penalty) > 1e-5 * logs["loss"] else 0.0)
        history.seconds.append(time.perf_counter() - self.begin)
        if "val_mse" in logs:
            history.val_mse.append(float(logs["val_mse"]))
        if self.verbose and ((epoch + 1) % self.every == 0 or epoch in (0, self.epochs - 1)):
            print(self._line(epoch))

    def _line(self, epoch):
        history, epochs = self.history, self.epochs
        penalty = f"   penalty {history.penalty[-1]:.5f}" if any(history.penalty) else ""
        checked = f"   validation mse {history.val_mse[-1]:.5f}" if history.val_mse else ""
        error = f"epoch {epoch + 1:>{len(str(epochs))}}/{epochs}   mse {history.mse[-1]:.5f}"
        return f"{error}{penalty}{checked}   {history.seconds[-1]:.1f} s"


def _dense_layers(model):
    found = [layer for layer in _chain(model) if isinstance(layer, layers.Dense)]
    if not found:
        raise ValueError(f"model must have dense layers; {model.name!r} has none")
    return found


def _chain(model):
    parts = [model.encoder, model.decoder] if hasattr(model, "encoder") else getattr(model, "layers", None)
    return [model] if parts is None else [layer for part in parts for layer in _chain(part)]


def _glorot_draw(random, layer):
    fan_in, fan_out = layer.kernel.shape
    limit = math.sqrt(6 / (fan_in + fan_out))
    return random.uniform(-limit, limit, (fan_in, fan_out)).astype("float32")
