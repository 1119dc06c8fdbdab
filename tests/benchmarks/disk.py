"""Train on 20 GB of simulated images from disk, on each backend: speed, and whether memory stays constant.

The ten files of 2 GB contain 28x28 images of bytes, a bright square on noise. They are removed at the end.
"""

import os
import sys
import tempfile
import threading
import time

import numpy as np
from bench import COLORS, print_json, run_script, write_report

FILES, PER_FILE, BATCH = 10, 2_600_000, 4096
RUN = 64  # consecutive images that stay together, to be read at once; divides PER_FILE and BATCH


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


def batches_of(paths):
    """Return a PyDataset of (images, images), drawn from the .npy files in runs of RUN consecutive images."""
    import keras

    runs_per_file = PER_FILE // RUN

    class Batches(keras.utils.PyDataset):
        def __init__(self):
            super().__init__()
            self.runs = np.random.default_rng(0).permutation(len(paths) * runs_per_file)

        def __len__(self):
            return -(-len(self.runs) * RUN // BATCH)

        def __getitem__(self, index):
            # Opened for each run, because a file that stays mapped would count as memory of the process.
            parts = []
            for run in self.runs[index * BATCH // RUN : (index + 1) * BATCH // RUN]:
                file, number = divmod(run, runs_per_file)
                parts.append(np.load(paths[file], mmap_mode="r")[number * RUN : (number + 1) * RUN].copy())
            images = np.divide(np.concatenate(parts)[..., None], 255, dtype="float32")
            return images, images

    return Batches()


def measure(folder):
    """Train for one epoch on all images; memory is measured four times a second."""
    import psutil

    from aelib import models, quiet, training

    with quiet():
        import keras
    batches = batches_of(sorted(f"{folder}/{name}" for name in os.listdir(folder)))
    wide = {"kernel_initializer": keras.initializers.VarianceScaling(16, "fan_avg", "uniform")}
    shape, latent_dim, hidden = (28, 28, 1), 8, (32,)
    encoder = models.mlp_encoder(shape, latent_dim, hidden, **wide)
    model = models.Autoencoder(encoder, models.mlp_decoder(shape, latent_dim, hidden, **wide))
    model.build((None, *shape))
    process, memory_mb, stopped = psutil.Process(), [], threading.Event()

    def watch():
        while not stopped.wait(0.25):
            memory_mb.append(process.memory_info().rss / 1e6)

    threading.Thread(target=watch, daemon=True).start()
    begin = time.perf_counter()
    history = training.fit(model, batches, epochs=1, learning_rate=0.005, verbose=False)
    seconds = time.perf_counter() - begin
    stopped.set()
    tenth = len(memory_mb) // 10
    return {
        "images": len(batches.runs) * RUN,
        "seconds": seconds,
        "mse": history.history["mse"][-1],
        "early_mb": max(memory_mb[tenth : 2 * tenth]),
        "late_mb": max(memory_mb[-tenth:]),
        "peak_mb": max(memory_mb),
        "memory_mb": memory_mb[:: max(1, len(memory_mb) // 200)],
    }


def main():
    with tempfile.TemporaryDirectory(prefix="aelib-disk-", dir=os.environ.get("AELIB_BENCH_DISK")) as folder:
        write(folder)
        size = sum(os.path.getsize(f"{folder}/{name}") for name in os.listdir(folder))
        runs = {}
        for backend in COLORS:
            runs[backend] = run_script(__file__, folder, backend=backend)
            summary = {key: value for key, value in runs[backend].items() if key != "memory_mb"}
            print(backend, summary, file=sys.stderr, flush=True)
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
        for backend, run in runs.items()
    ]

    def draw(figure):
        axes = figure.subplots()
        for backend, run in runs.items():
            x = np.linspace(0, run["seconds"], len(run["memory_mb"]))
            axes.plot(x, run["memory_mb"], color=COLORS[backend], label=backend)
        axes.axhline(size / 1e6, color="black", linewidth=1, linestyle="--")
        axes.annotate("the images", (0.02, size / 1e6), xycoords=("axes fraction", "data"), va="top", fontsize=8)
        axes.set_yscale("log")
        axes.set_xlabel("seconds")
        axes.set_ylabel("memory of the process, MB")
        axes.legend()

    header = ("backend", "images on disk", "one epoch", "images a second", "memory, second tenth", "last tenth", "peak")
    write_report("disk", header, rows, {"runs": runs, "bytes": size}, draw)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print_json(measure(sys.argv[1]))
    else:
        main()
