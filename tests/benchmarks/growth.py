"""The cost of a training epoch against the number of images (5k, 20k, 60k) and the latent dimension (2 to 256)."""

import statistics
import sys

import numpy as np
from bench import print_json, run_script, write_report

COUNTS, LATENTS, ROUNDS = (5_000, 20_000, 60_000), (2, 8, 32, 64, 128, 256), 3


def measure():
    """Return {"images": {count: seconds}, "latent": {latent_dim: seconds}} of an epoch of the lecture's network."""
    from aelib import data, initializers, models, quiet, training

    with quiet():
        import keras  # noqa: F401
    loaded = data.load("mnist")
    images = np.concatenate([loaded.train, loaded.val])

    def seconds(count, latent_dim):
        model = initializers.data_dependent(models.lecture_autoencoder(latent_dim), images[:2000])
        settings = {"epochs": 5, "batch_size": 256, "learning_rate": 0.005, "verbose": False}
        return min(np.diff(training.fit(model, images[:count], **settings).history["seconds"]))

    results = {"images": {}, "latent": {}}
    for count in COUNTS:
        results["images"][count] = seconds(count, 2)
    for latent_dim in LATENTS:
        results["latent"][latent_dim] = seconds(20_000, latent_dim)
    return results


def main():
    runs = []
    for number in range(ROUNDS):
        runs.append(run_script(__file__, "measure"))
        print(number, runs[-1], file=sys.stderr, flush=True)
    medians = {
        kind: {int(x): statistics.median(run[kind][x] for run in runs) for x in values}
        for kind, values in runs[0].items()
    }
    lines = {kind: np.polyfit(list(values), list(values.values()), 1) for kind, values in medians.items()}
    rows = []
    for kind, values in medians.items():
        slope, base = lines[kind]
        for x, seconds in values.items():
            rows.append((kind, f"{x:,}", f"{seconds:.2f} s", f"{base + slope * x:.2f} s"))

    def draw(figure):
        for axes, (kind, values) in zip(figure.subplots(1, 2), medians.items(), strict=True):
            x = np.array(list(values))
            axes.plot(x, list(values.values()), "o", color="#0072b2")
            axes.plot(x, np.polyval(lines[kind], x), color="black", linewidth=1)
            axes.set_xlabel("images" if kind == "images" else "latent dimensions (20,000 images)")
            axes.set_ylim(0, 1.1 * max(values.values()))
        figure.axes[0].set_ylabel("seconds per epoch")

    header = ("grows with", "at", "an epoch takes", "on a straight line")
    write_report("growth", header, rows, {"runs": runs}, draw, (8, 3.2))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print_json(measure())
    else:
        main()
