"""What Keras tells after every epoch in; the errors per epoch, and the lines a reader sees meanwhile, out."""

import math
import time
from dataclasses import dataclass, field

import keras


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


class Progress(keras.callbacks.Callback):
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
        # Where five digits show none, there is none: the loss and the MSE are means that were summed in two orders.
        penalty = f"   penalty {history.penalty[-1]:.5f}" if max(history.penalty) >= 5e-6 else ""
        checked = f"   validation mse {history.val_mse[-1]:.5f}" if history.val_mse else ""
        error = f"epoch {epoch + 1:>{len(str(epochs))}}/{epochs}   mse {history.mse[-1]:.5f}"
        return f"{error}{penalty}{checked}   {history.seconds[-1]:.1f} s"
