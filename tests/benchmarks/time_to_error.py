"""Time to a test MSE of 0.0450 with the lecture's network on full MNIST: this recipe, the usual one, plain PyTorch.

All three start with images in memory and the imports done. The time covers building the network, initialization,
compiling and training, not the evaluations in between. The usual recipe: Glorot weights, Adam at 1e-3, batch size 256,
plain `fit`. The settings of our recipe were tuned on the validation images.
"""

import statistics
import sys
import time
from itertools import pairwise

from bench import print_json, run_script, write_report

TARGET = 0.0450
OURS = {"epochs": 1, "batch_size": 80, "learning_rate": 0.016}
IMAGES = 32_000  # of 55,000; one epoch over them is enough
MAX_EPOCHS = 100


def ours(seed):
    from aelib import initializers, metrics, models, quiet, training

    with quiet():
        import keras  # noqa: F401
    train, test = images()
    begin = time.perf_counter()
    model = initializers.data_dependent(models.lecture_autoencoder(), train[:2000], seed=seed)
    training.fit(model, train[:IMAGES], seed=seed, verbose=0, **OURS)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "epochs": IMAGES / len(train), "mse": float(metrics.mse(test, model.reconstruct(test)))}


def usual(seed):
    from aelib import metrics, models, quiet

    with quiet():
        import keras
    train, test = images()
    keras.utils.set_random_seed(seed)
    begin = time.perf_counter()
    model = models.lecture_autoencoder()
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    watch = Stopwatch(begin, lambda: float(metrics.mse(test, model.reconstruct(test))))

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = watch.reached()

    model.fit(train, train, batch_size=256, epochs=MAX_EPOCHS, verbose=0, callbacks=[Stop()])
    return watch.result


def pytorch(seed):
    import torch
    from torch import nn

    train, test = (torch.from_numpy(part.reshape(len(part), -1)) for part in images())
    torch.manual_seed(seed)
    begin = time.perf_counter()
    widths = (784, 512, 128, 32, 2, 32, 128, 512, 784)
    layers = [part for pair in pairwise(widths) for part in (nn.Linear(*pair), nn.Sigmoid())]
    model = nn.Sequential(*layers)
    for layer in layers[::2]:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    optimizer, loss = torch.optim.Adam(model.parameters(), lr=1e-3), nn.MSELoss()

    def error():
        with torch.no_grad():
            return loss(model(test), test).item()

    watch = Stopwatch(begin, error)
    for _ in range(MAX_EPOCHS):
        for batch in torch.randperm(len(train)).split(256):
            optimizer.zero_grad()
            loss(model(train[batch]), train[batch]).backward()
            optimizer.step()
        if watch.reached():
            break
    return watch.result


class Stopwatch:
    """Measures the time until the target is reached, without the evaluations after every epoch."""

    def __init__(self, begin, evaluate):
        self.begin, self.evaluate, self.evaluation_seconds, self.errors = begin, evaluate, 0.0, []
        self.result = {"seconds": None, "epochs": None, "mse": None}

    def reached(self):
        now = time.perf_counter()
        self.errors.append(self.evaluate())
        if self.errors[-1] <= TARGET:
            spent = now - self.begin - self.evaluation_seconds
            self.result = {"seconds": spent, "epochs": len(self.errors), "mse": self.errors[-1]}
        self.evaluation_seconds += time.perf_counter() - now
        return self.errors[-1] <= TARGET


def images():
    from aelib import data

    loaded = data.load("mnist")
    return loaded.train, loaded.test


def main(seeds=5):
    backends = {"ours": "tensorflow", "usual": "tensorflow", "pytorch": "torch"}
    runs_of = {recipe: [] for recipe in backends}
    for seed in range(seeds):
        # Alternating, because the machine's speed changes from minute to minute.
        for recipe, backend in backends.items():
            runs_of[recipe].append(run_script(__file__, recipe, seed, backend=backend))
            print(seed, recipe, runs_of[recipe][-1], file=sys.stderr, flush=True)
    texts = {
        "ours": "this recipe, Keras on TensorFlow",
        "usual": "the usual recipe, Keras on TensorFlow",
        "pytorch": "the usual recipe, plain PyTorch",
    }
    rows = []
    for recipe, text in texts.items():
        runs = runs_of[recipe]
        if any(run["seconds"] is None or run["mse"] > TARGET for run in runs):
            missed = sum(run["seconds"] is None or run["mse"] > TARGET for run in runs)
            text += f" ({missed} of {seeds} seeds missed)"
        ratios = [
            run["seconds"] / our["seconds"] for run, our in zip(runs, runs_of["ours"], strict=True) if run["seconds"]
        ]
        spread = f"{statistics.median(ratios):.0f} ({min(ratios):.0f} to {max(ratios):.0f})"
        rows.append(
            (
                text,
                f"{statistics.median(run['epochs'] or MAX_EPOCHS for run in runs):.3g}",
                f"{statistics.median(run['seconds'] or float('inf') for run in runs):.1f} s",
                f"{min(run['mse'] for run in runs):.4f} to {max(run['mse'] for run in runs):.4f}",
                "1" if recipe == "ours" else spread,
            )
        )

    def draw(figure):
        axes = figure.subplots()
        for index, recipe in enumerate(texts):
            seconds = [run["seconds"] for run in runs_of[recipe] if run["seconds"]]
            axes.plot(seconds, [index] * len(seconds), "o", color=("#0072b2", "#d55e00", "#009e73")[index], alpha=0.7)
        axes.set_xscale("log")
        axes.set_yticks(range(len(texts)), [text.replace(", ", "\n") for text in texts.values()])
        axes.set_ylim(-0.5, len(texts) - 0.5)
        axes.set_xlabel(f"seconds to a test MSE of {TARGET:.4f}, five seeds each")

    columns = ("epochs", "time to 0.0450", "test MSE there", "times as long as ours")
    data = {"target": TARGET, "runs": runs_of, "ours": OURS, "images": IMAGES}
    write_report("time_to_error", ("full MNIST, the lecture's network", *columns), rows, data, draw)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print_json({"ours": ours, "usual": usual, "pytorch": pytorch}[sys.argv[1]](int(sys.argv[2])))
    else:
        main()
