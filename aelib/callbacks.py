"""Callbacks for Keras's `fit`: stop on a loss that is NaN or infinite, and print lines of progress."""

import math
import time
from typing import Any

import keras


class RaiseOnNaN(keras.callbacks.Callback):
    """Stop `fit` with a FloatingPointError after an epoch whose loss is NaN or infinite."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None):
        for name, value in (logs or {}).items():
            if name in ("loss", "val_loss") and not math.isfinite(value):
                raise FloatingPointError(
                    f"the {name} became {value} in epoch {epoch + 1}: lower the learning rate, or look for images "
                    "that are not finite and codes out of the range of a penalty"
                )


class ProgressLines(keras.callbacks.Callback):
    """Print about ten lines per `fit`, regardless of the number of epochs, and add `seconds` to its history.

    `seconds` is the time since training began, compilation included. The penalty shown is the loss minus the mse.
    """

    def __init__(self, verbose: bool = True):
        super().__init__()
        self.verbose = verbose

    def on_train_begin(self, logs: dict[str, Any] | None = None):
        self.begin = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None):
        logs = {} if logs is None else logs
        logs["seconds"] = time.perf_counter() - self.begin
        epochs = self.params["epochs"]
        if self.verbose and ((epoch + 1) % math.ceil(epochs / 10) == 0 or epoch in (0, epochs - 1)):
            print(self._line(epoch + 1, epochs, logs), flush=True)

    def _line(self, epoch, epochs, logs):
        error = logs.get("mse", logs.get("loss", math.nan))
        parts = [f"epoch {epoch:>{len(str(epochs))}}/{epochs}", f"mse {error:.5f}"]
        penalty = logs.get("loss", error) - error
        # Even without a penalty the two differ, because they are summed in different orders.
        if penalty > max(5e-6, 1e-5 * error):
            parts.append(f"penalty {penalty:.5f}")
        if "val_mse" in logs:
            parts.append(f"validation mse {logs['val_mse']:.5f}")
        return "   ".join([*parts, f"{logs['seconds']:.1f} s"])
