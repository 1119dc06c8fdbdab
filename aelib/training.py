"""The recipe of the notebooks: arguments for Keras's `compile`, callbacks for its `fit`, and a shorthand for both.

model.compile(**training.recipe(steps=epochs * steps_per_epoch))
model.fit(x, x, epochs=epochs, validation_data=(v, v), callbacks=[callbacks.RaiseOnNaN()])
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers
from numpy.typing import ArrayLike

from aelib import _deprecated, _validation
from aelib._network import check_pair, check_validation_data, check_weights, leaves
from aelib.callbacks import ProgressLines, RaiseOnNaN

__getattr__ = _deprecated.renamed_names(
    __name__,
    {
        "History": "keras.callbacks.History",
        "centred_start": "aelib.initializers.data_dependent",
        "fast_settings": "aelib._deprecated.fast_settings",
        "glorot_start": "aelib._deprecated.glorot_start",
    },
    instead={
        "fast_settings": "aelib.training.recipe(model=...)",
        "glorot_start": "the argument kernel_initializer of aelib.models",
    },
    removed={"ImageFiles": "give fit a keras.utils.PyDataset, a tf.data.Dataset or a torch DataLoader"},
)


def warmup_cosine(peak: float, steps: int, *, warmup: float = 0.15) -> keras.optimizers.schedules.CosineDecay:
    """Return a schedule that rises linearly from 0 to the peak learning rate, then falls as a cosine to 0.

    Args:
        peak: peak learning rate, above 0.
        steps: weight updates in the whole training.
        warmup: fraction of the steps in which the rate rises, in [0, 1).

    Raises:
        ValueError: for arguments out of range.
    """
    steps = _validation.integer(steps, "steps")
    rising = max(1, round(_validation.number(warmup, "warmup", 0, 1, bounds="[)") * steps))
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=max(1, steps - rising),
        warmup_target=_validation.number(peak, "peak", bounds="(]"),
        warmup_steps=rising,
    )


def recipe(
    *, steps: int, learning_rate: float = 0.01, weight_decay: float = 0.0, model: keras.Model | None = None
) -> dict[str, Any]:
    """Return arguments for `compile`: mean squared error, and Adam with warm-up and cosine decay.

    Args:
        steps: weight updates in all, epochs times batches per epoch; `fit` warns if it makes more or fewer.
        learning_rate: peak learning rate, above 0.
        weight_decay: as in AdamW (Loshchilov and Hutter 2019); 0 means plain Adam.
        model: the built model to be compiled. If given, use the settings that are fastest for it on a CPU with the
            current backend; the trained weights are the same up to rounding.

    Raises:
        ValueError: for arguments out of range.
    """
    on_tensorflow = keras.backend.backend() == "tensorflow"
    return {
        "optimizer": ScheduledAdam(
            warmup_cosine(_validation.number(learning_rate, "learning_rate", bounds="(]"), steps),
            weight_decay=_validation.number(weight_decay, "weight_decay") or None,
            steps=steps,
        ),
        "loss": "mse",
        "metrics": ["mse"],
        "jit_compile": _xla_is_faster(model, steps) if model and on_tensorflow else "auto",
        "steps_per_execution": min(32, int(steps)) if on_tensorflow else 1,
    }


# On torch, Keras makes an optimizer that updates all weights at once, but not for a subclass of keras.optimizers.Adam.
_Adam: Any = type(keras.optimizers.Adam()) if keras.backend.backend() == "torch" else keras.optimizers.Adam


@keras.saving.register_keras_serializable("aelib")
class ScheduledAdam(_Adam):
    """Adam that warns if a `fit` was not as long as its learning rate schedule; `recipe` creates one.

    Args:
        learning_rate: a schedule.
        steps: weight updates in the whole schedule.
        kwargs: as for `keras.optimizers.Adam`.
    """

    def __init__(self, learning_rate: Any = 0.001, *, steps: int, name: str = "adam", **kwargs: Any):
        super().__init__(learning_rate, name=name, **kwargs)
        self.steps = _validation.integer(steps, "steps")

    def finalize_variable_values(self, var_list: Any):
        """Compare the updates so far with the schedule; Keras calls this when `fit` ends."""
        super().finalize_variable_values(var_list)
        updates = int(self.iterations)
        if updates != self.steps:
            late = "the last had learning rate 0; compile the model anew to train it further"
            early = "the learning rate was still high at the end"
            warnings.warn(
                f"the model has made {updates} updates, its learning rate schedule was made for {self.steps}: "
                f"{late if updates > self.steps else early} (steps of training.recipe: epochs * batches per epoch)",
                stacklevel=4,
            )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "steps": self.steps}


@_deprecated.renamed_arguments(images="x", target="y", validation="validation_data")
def fit(
    model: keras.Model,
    x: Any,
    y: ArrayLike | None = None,
    *,
    epochs: int,
    batch_size: int | None = None,
    learning_rate: float = 0.01,
    weight_decay: float = 0.0,
    validation_data: Any = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | bool | str = True,
    seed: int | None = None,
    **kwargs: Any,
) -> keras.callbacks.History:
    """Check the arguments, compile a model with `recipe` and fit it: a shorthand for these lines.

        keras.utils.set_random_seed(seed)  # if a seed is given
        model.compile(**recipe(steps=..., learning_rate=..., weight_decay=..., model=model))
        model.fit(x, x, callbacks=[ProgressLines(), RaiseOnNaN(), *callbacks], ...)

    Args:
        model: an `Autoencoder` or any Keras model with one output.
        x: inputs (n, ...), such as images (n, height, width, channels); or another source of pairs (inputs, targets)
            that Keras's `fit` takes: a `keras.utils.PyDataset`, a `tf.data.Dataset`, a torch `DataLoader`.
        y: targets, of the shape of the model's output; x itself if None. Not allowed with a dataset, which has its own.
        epochs: positive integer.
        batch_size: for arrays, 50 if None. Not allowed with a dataset.
        learning_rate: peak learning rate, above 0.
        weight_decay: as in AdamW; 0 means plain Adam.
        validation_data: inputs, a pair (inputs, targets), or a dataset; measured after every epoch.
        callbacks: further Keras callbacks.
        verbose: True prints the lines of `ProgressLines`, 0 nothing; 2 and "auto" are Keras's own.
        seed: integer for `keras.utils.set_random_seed`, which seeds Python, NumPy and the backend in the whole process;
            it determines the order of the batches. None leaves them unchanged. Noise layers have their own seeds.
        kwargs: as for Keras's `fit`, such as `sample_weight`, `initial_epoch`, `steps_per_epoch`.

    Returns:
        Keras's History: `history.history` has lists `loss` (penalty included), `mse`, `seconds`, and with validation
        data `val_loss`, `val_mse`, with one entry per epoch.

    Raises:
        ValueError: for shapes that do not match, values that are not finite or that the output cannot reach, arguments
            out of range, or batches that the devices of `keras.distribution` cannot share equally.
        FloatingPointError: after an epoch whose loss is NaN or infinite.
    """
    epochs = _validation.integer(epochs, "epochs")
    if _is_dataset(x):
        if y is not None or batch_size is not None:
            received = "y" if y is not None else "batch_size"
            raise ValueError(f"x is a dataset, which brings its own targets and batches; received {received} as well")
        data: dict[str, Any] = {"x": x}
        first = None
        if isinstance(x, keras.utils.PyDataset):
            inputs, targets, *_ = x[0]
            first = check_pair(model, inputs, targets, ("the inputs of x", "the targets of x"))
            _check_devices({len(inputs), len(x[len(x) - 1][0])})
    else:
        batch_size = _validation.integer(50 if batch_size is None else batch_size, "batch_size")
        x, y = check_pair(model, x, y, ("x", "y"))
        _check_devices({min(batch_size, len(x)), len(x) % batch_size} - {0})
        data = {"x": x, "y": y, "batch_size": batch_size}
        if kwargs.get("sample_weight") is not None:
            data["sample_weight"] = check_weights(kwargs.pop("sample_weight"), y, "sample_weight")
        first = x[:batch_size], y[:batch_size]
    if validation_data is not None and not _is_dataset(validation_data):
        validation_data = check_validation_data(model, validation_data)
    if seed is not None:
        keras.utils.set_random_seed(_validation.seed(seed))
    batches = kwargs.get("steps_per_epoch") or _batches_per_epoch(x, batch_size)
    steps = (epochs - kwargs.get("initial_epoch", 0)) * batches
    settings = recipe(steps=steps, learning_rate=learning_rate, weight_decay=weight_decay, model=model)
    # From an endless dataset Keras takes whole executions, even if that is more than the steps of an epoch.
    settings["steps_per_execution"] = math.gcd(settings["steps_per_execution"], kwargs.get("steps_per_epoch") or 0)
    model.compile(**settings)
    if first:
        _build_before_tracing(model, *first)
    lines = verbose is True or verbose == 1
    return model.fit(
        **data,
        epochs=epochs,
        validation_data=validation_data,
        callbacks=[ProgressLines(lines), RaiseOnNaN(), *callbacks],
        verbose=0 if lines else verbose,
        **kwargs,
    )


def _is_dataset(x) -> bool:
    """Return whether Keras's `fit` takes x as a dataset that yields batches, not as an array."""
    has_batches = hasattr(x, "__iter__") or hasattr(x, "__getitem__")
    return has_batches and not isinstance(x, dict | list | str | tuple) and not hasattr(x, "shape")


def _batches_per_epoch(x, batch_size):
    try:
        return math.ceil(len(x) / (batch_size or 1))  # the length of a dataset is in batches
    except TypeError:
        raise ValueError("x is a dataset of unknown or infinite length; give steps_per_epoch as well") from None


def _check_devices(sizes):
    distribution = keras.distribution.distribution()
    count = distribution.device_mesh.devices.size if distribution else 1
    if any(size % count for size in sizes):
        received = " and ".join(map(str, sorted(sizes, reverse=True)))
        raise ValueError(f"batch_size must give batches that {count} devices can share equally; received {received}")


def _build_before_tracing(model, x, y):
    # TensorFlow traces a training step twice if the first trace creates variables, as for Adam and the metric.
    # Called eagerly, a penalty can also report codes out of range, which it cannot do in a compiled step.
    y_pred = model(x)
    model.optimizer.build(model.trainable_variables)
    model.compute_metrics(x, y, y_pred)
    model.reset_metrics()


def _xla_is_faster(model, steps):
    # Keras's "auto" never uses XLA on a CPU, where it makes dense layers faster and convolutions slower. It takes a
    # second or two to compile, which pays only for a long training of a large network.
    slower = any(isinstance(layer, layers.Conv2D) or not layer.supports_jit for layer in leaves(model))
    updates = steps * sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return not slower and updates >= 7e8
