"""Time to a test MSE of 0.0450 with the lecture's network on full MNIST: this recipe, the usual one, plain PyTorch.

All three begin with images in memory and the imports done. The time covers building the network, initialization,
compiling and training, not the evaluations in between. The usual recipe: Glorot weights, Adam at 1e-3, batch 256, plain
`fit`. The settings of ours were chosen on the validation images.
"""

import statistics
import sys
import time
from itertools import pairwise

from bench import answer, child, publish

TARGET = 0.0450
OURS = {"epochs": 1, "batch_size": 80, "learning_rate": 0.016}
IMAGES = 32_000  # of 55,000: one epoch of them is enough
MOST_EPOCHS = 100


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
    watch = Watch(begin, lambda: float(metrics.mse(test, model.reconstruct(test))))

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = watch.reached()

    model.fit(train, train, batch_size=256, epochs=MOST_EPOCHS, verbose=0, callbacks=[Stop()])
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

    watch = Watch(begin, error)
    for _ in range(MOST_EPOCHS):
        for batch in torch.randperm(len(train)).split(256):
            optimizer.zero_grad()
            loss(model(train[batch]), train[batch]).backward()
            optimizer.step()
        if watch.reached():
            break
    return watch.result


class Watch:
    """The time spent apart from evaluations, epoch by epoch, until the target is reached."""

    def __init__(self, begin, evaluate):
        self.begin, self.evaluate, self.aside, self.errors = begin, evaluate, 0.0, []
        self.result = {"seconds": None, "epochs": None, "mse": None}

    def reached(self):
        now = time.perf_counter()
        self.errors.append(self.evaluate())
        if self.errors[-1] <= TARGET:
            spent = now - self.begin - self.aside
            self.result = {"seconds": spent, "epochs": len(self.errors), "mse": self.errors[-1]}
        self.aside += time.perf_counter() - now
        return self.errors[-1] <= TARGET


def images():
    from aelib import data

    loaded = data.load("mnist")
    return loaded.train, loaded.test


def main(seeds=5):
    ways = {"ours": "tensorflow", "usual": "tensorflow", "pytorch": "torch"}
    found = {way: [] for way in ways}
    for seed in range(seeds):
        # One after the other, seed by seed: the machine's speed changes from minute to minute.
        for way, backend in ways.items():
            found[way].append(child(__file__, way, seed, backend=backend))
            print(seed, way, found[way][-1], file=sys.stderr, flush=True)
    texts = {
        "ours": "this recipe, Keras on TensorFlow",
        "usual": "the usual recipe, Keras on TensorFlow",
        "pytorch": "the usual recipe, plain PyTorch",
    }
    rows = []
    for way, text in texts.items():
        runs = found[way]
        if any(run["seconds"] is None or run["mse"] > TARGET for run in runs):
            missed = sum(run["seconds"] is None or run["mse"] > TARGET for run in runs)
            text += f" ({missed} of {seeds} seeds missed)"
        ratios = [
            run["seconds"] / our["seconds"] for run, our in zip(runs, found["ours"], strict=True) if run["seconds"]
        ]
        rows.append(
            (
                text,
                f"{statistics.median(run['epochs'] or MOST_EPOCHS for run in runs):.3g}",
                f"{statistics.median(run['seconds'] or float('inf') for run in runs):.1f} s",
                f"{min(run['mse'] for run in runs):.4f} to {max(run['mse'] for run in runs):.4f}",
                "1" if way == "ours" else f"{statistics.median(ratios):.0f} ({min(ratios):.0f} to {max(ratios):.0f})",
            )
        )

    def draw(figure):
        axes = figure.subplots()
        for index, way in enumerate(texts):
            seconds = [run["seconds"] for run in found[way] if run["seconds"]]
            axes.plot(seconds, [index] * len(seconds), "o", color=("#0072b2", "#d55e00", "#009e73")[index], alpha=0.7)
        axes.set_xscale("log")
        axes.set_yticks(range(len(texts)), [text.replace(", ", "\n") for text in texts.values()])
        axes.set_ylim(-0.5, len(texts) - 0.5)
        axes.set_xlabel(f"seconds to a test MSE of {TARGET:.4f}, five seeds each")

    what = "full MNIST, the lecture's network"
    header = (what, "epochs", "time to 0.0450", "test MSE there", "times as long as ours")
    publish("time_to_error", header, rows, {"target": TARGET, "runs": found, "ours": OURS, "images": IMAGES}, draw)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        answer({"ours": ours, "usual": usual, "pytorch": pytorch}[sys.argv[1]](int(sys.argv[2])))
    else:
        main()
