"""20 GB of simulated images, trained on from disk in batches, on each backend: speed, and how memory stays.

The files are bytes, 28x28 as the digits are: noise around a bright square, ten files of 2 GB. They are removed at the
end.
"""

import os
import sys
import tempfile
import threading
import time

import numpy as np
from bench import COLOURS, answer, child, publish

FILES, PER_FILE, BATCH = 10, 2_600_000, 4096


def write(folder):
    random = np.random.default_rng(0)
    block = random.integers(0, 60, (20_000, 28, 28), "uint8")
    for image, (row, column) in zip(block, random.integers(0, 20, (len(block), 2)), strict=True):
        image[row : row + 8, column : column + 8] += 180
    for number in range(FILES):
        array = np.lib.format.open_memmap(f"{folder}/{number}.npy", "w+", "uint8", (PER_FILE, 28, 28))
        for begin in range(0, PER_FILE, len(block)):
            array[begin : begin + len(block)] = np.roll(block, number * 1000 + begin, axis=0)[: PER_FILE - begin]
        array.flush()


def measure(folder):
    """One pass over all images; memory is looked at four times a second, from the hundredth batch on."""
    import psutil

    from aelib import models, quiet, training

    with quiet():
        import keras  # noqa: F401
    batches = training.ImageFiles(sorted(f"{folder}/{name}" for name in os.listdir(folder)), BATCH, run=64)
    model = models.Autoencoder(models.mlp_encoder((28, 28, 1), 8, (32,)), models.mlp_decoder((28, 28, 1), 8, (32,)))
    model.build((None, 28, 28, 1))
    training.glorot_start(model, factor=4)
    process, seen, over = psutil.Process(), [], threading.Event()

    def watch():
        while not over.wait(0.25):
            seen.append(process.memory_info().rss / 1e6)

    threading.Thread(target=watch, daemon=True).start()
    begin = time.perf_counter()
    history = training.fit(model, batches, epochs=1, learning_rate=0.005, verbose=False)
    seconds = time.perf_counter() - begin
    over.set()
    tenth = len(seen) // 10
    return {
        "images": batches.count,
        "seconds": seconds,
        "mse": history.mse[-1],
        "early_mb": max(seen[tenth : 2 * tenth]),
        "late_mb": max(seen[-tenth:]),
        "peak_mb": max(seen),
        "seen_mb": seen[:: max(1, len(seen) // 200)],
    }


def main():
    with tempfile.TemporaryDirectory(prefix="aelib-disk-", dir=os.environ.get("AELIB_BENCH_DISK")) as folder:
        write(folder)
        size = sum(os.path.getsize(f"{folder}/{name}") for name in os.listdir(folder))
        found = {}
        for backend in COLOURS:
            found[backend] = child(__file__, folder, backend=backend)
            told = {key: value for key, value in found[backend].items() if key != "seen_mb"}
            print(backend, told, file=sys.stderr, flush=True)
    rows = [
        (
            backend,
            f"{size / 1e9:.1f} GB, {run['images'] / 1e6:.0f} million",
            f"{run['seconds']:.0f} s",
            f"{run['images'] / run['seconds'] / 1e3:.0f} thousand",
            f"{run['early_mb']:.0f} MB",
            f"{run['late_mb']:.0f} MB",
            f"{run['peak_mb']:.0f} MB",
        )
        for backend, run in found.items()
    ]

    def draw(figure):
        axes = figure.subplots()
        for backend, run in found.items():
            x = np.linspace(0, run["seconds"], len(run["seen_mb"]))
            axes.plot(x, run["seen_mb"], color=COLOURS[backend], label=backend)
        axes.axhline(size / 1e6, color="black", linewidth=1, linestyle="--")
        axes.annotate("the images", (0.02, size / 1e6), xycoords=("axes fraction", "data"), va="top", fontsize=8)
        axes.set_yscale("log")
        axes.set_xlabel("seconds")
        axes.set_ylabel("memory of the process, MB")
        axes.legend()

    header = ("backend", "images on disk", "one pass", "images a second", "memory, second tenth", "last tenth", "peak")
    publish("disk", header, rows, {"runs": found, "bytes": size}, draw)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        answer(measure(sys.argv[1]))
    else:
        main()
