"""The speed of a training epoch relative to the machine's matrix product, on every backend, and where the rest goes.

Dense: the lecture's network on full MNIST, batch size 256, at 6 operations per weight and image, compared with float32
products of 1024x1024 matrices in the same minute: the backend's own, and the fastest of the three. Convolutional: an
epoch of the denoiser of notebook 03. Every round measures everything once; the table shows medians over the rounds.
"""

import math
import statistics
import sys
import time

import numpy as np
from bench import COLORS, print_json, product_gflops, run_script, write_report

BATCH, ROUNDS = 256, 5


def measure(kind):
    from aelib import data, initializers, models, quiet, training

    with quiet():
        import keras

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.times = [time.perf_counter()]

        def on_epoch_end(self, epoch, logs=None):
            self.times.append(time.perf_counter())

    def plain(model, optimizer, images, target, epochs=3):
        model.compile(optimizer, "mse")
        clock = Clock()
        model.fit(images, target, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[clock])
        return min(np.diff(clock.times)[1:])

    if kind == "conv":
        from aelib.layers import ClippedGaussianNoise

        images = data.load("mnist-5k").train
        shape = images.shape[1:]

        def denoiser():
            encoder = keras.Sequential([ClippedGaussianNoise(0.5, seed=0), *models.conv_encoder(shape, 64).layers])
            return models.Autoencoder(encoder, models.conv_decoder(shape, 64))

        model = denoiser()
        model.build((None, *shape))
        history = training.fit(model, images, epochs=4, batch_size=25, learning_rate=0.004, verbose=0)
        parts = [*model.encoder.layers, *model.decoder.layers]
        convolutions = [layer for layer in parts if isinstance(layer, keras.layers.Conv2D)]
        sizes = [math.prod(layer.output.shape[1:3]) * math.prod(layer.kernel.shape) for layer in convolutions]
        operations = 6 * sum(sizes) * len(images)
        seconds = history.history["seconds"]
        return {"epoch": min(np.diff(seconds)), "first": seconds[0], "operations": operations}

    images = data.load("mnist").train
    results = {"own_product": own_product()}

    def initialized():
        return initializers.data_dependent(models.lecture_autoencoder(), images[:2000])

    model = initialized()
    weights = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights if len(weight.shape) == 2)
    results["operations"] = 6 * weights * len(images)
    history = training.fit(model, images, epochs=6, batch_size=BATCH, learning_rate=0.005, verbose=0)
    seconds = history.history["seconds"]
    results["ours"], results["first"] = min(np.diff(seconds)), seconds[0]
    results["plain"] = plain(initialized(), keras.optimizers.Adam(1e-3), images, images)
    results["without_adam"] = plain(initialized(), keras.optimizers.SGD(1e-3), images, images)
    results["layer_products"] = layer_products(model, len(images) // BATCH)
    results["own_product"] = max(results["own_product"], own_product())
    return results


def own_product(size=1024):
    """Return the GFLOPS of the backend's float32 product of two square matrices."""
    return 2 * size**3 / median_seconds(product(size, size, size)) / 1e9


def layer_products(model, steps):
    """Return the seconds that the three products of every layer take in an epoch, without anything else."""
    total = 0.0
    for weight in model.trainable_weights:
        if len(weight.shape) == 2:
            inputs, outputs = weight.shape
            for shape in ((BATCH, inputs, outputs), (inputs, BATCH, outputs), (BATCH, outputs, inputs)):
                total += median_seconds(product(*shape))
    return steps * total


def product(rows, inner, columns):
    """Return a function that multiplies two matrices on the current backend and waits for the result."""
    import keras

    random = np.random.default_rng(0)
    left, right = random.random((rows, inner), "float32"), random.random((inner, columns), "float32")
    if keras.backend.backend() == "jax":
        import jax

        left, right, multiply = jax.numpy.asarray(left), jax.numpy.asarray(right), jax.jit(lambda a, b: a @ b)
        return lambda: multiply(left, right).block_until_ready()
    if keras.backend.backend() == "torch":
        import torch

        left, right = torch.from_numpy(left), torch.from_numpy(right)
        return lambda: left @ right
    import tensorflow

    left, right = tensorflow.constant(left), tensorflow.constant(right)
    return lambda: tensorflow.matmul(left, right).numpy()[0, 0]


def median_seconds(function, times=25):
    function()  # compiles
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def main():
    runs_of = {kind: {backend: [] for backend in COLORS} for kind in ("dense", "conv")}
    numpy_products = []
    for number in range(ROUNDS):
        numpy_products.append(product_gflops())
        for kind, backends in runs_of.items():
            for backend, runs in backends.items():
                runs.append(run_script(__file__, kind, backend=backend))
                print(number, kind, backend, runs[-1], file=sys.stderr, flush=True)
    dense, conv = runs_of["dense"], runs_of["conv"]
    # Per round, because the machine's speed changes from minute to minute.
    top = [max(dense[backend][i]["own_product"] for backend in COLORS) for i in range(ROUNDS)]

    def median(backend, value):
        return statistics.median(value(i, run) for i, run in enumerate(dense[backend]))

    rows, shares = [], {}
    fastest = min(statistics.median(run["epoch"] for run in runs) for runs in conv.values())
    for backend in COLORS:
        shares[backend] = {
            "own": median(backend, lambda i, run: run["operations"] / run["ours"] / run["own_product"] / 1e9),
            "top": median(backend, lambda i, run: run["operations"] / run["ours"] / top[i] / 1e9),
            "plain": median(backend, lambda i, run: run["operations"] / run["plain"] / run["own_product"] / 1e9),
        }
        epoch = statistics.median(run["epoch"] for run in conv[backend])
        rows.append(
            (
                backend,
                f"{median(backend, lambda i, run: run['ours']):.2f} s",
                f"{shares[backend]['own']:.2f}",
                f"{shares[backend]['top']:.2f}",
                f"{median(backend, lambda i, run: run['plain']):.2f} s, {shares[backend]['plain']:.2f}",
                f"{median(backend, lambda i, run: run['layer_products']):.2f} s",
                f"{median(backend, lambda i, run: run['plain'] - run['without_adam']):.2f} s",
                f"{median(backend, lambda i, run: run['first'] - run['ours']):.1f} s",
                f"{epoch:.2f} s, {epoch / fastest:.1f}",
                f"{conv[backend][0]['operations'] / epoch / statistics.median(top) / 1e9:.2f}",
            )
        )
    header = (
        "backend",
        "dense epoch, ours",
        "share of its own product",
        "share of the fastest product",
        "plain `fit`: epoch, share of its own",
        "of it: the layers' products alone",
        "of plain: Adam more than SGD",
        "once: compiling",
        "denoiser: epoch, times the fastest",
        "denoiser: share of the fastest product",
    )

    def draw(figure):
        axes = figure.subplots()
        for index, (backend, share) in enumerate(shares.items()):
            axes.bar(
                [index - 0.2, index + 0.2], [share["own"], share["plain"]], 0.38, color=[COLORS[backend], "#bbbbbb"]
            )
        axes.set_xticks(range(len(shares)), shares)
        axes.set_ylabel("share of the backend's own product")
        axes.set_title("a dense epoch: this recipe (color) and plain fit (gray)", fontsize=10)

    write_report("epoch", header, rows, {"runs": runs_of, "shares": shares, "numpy_products": numpy_products}, draw)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print_json(measure(sys.argv[1]))
    else:
        main()
