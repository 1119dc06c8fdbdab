"""Files of images in; batches of them in a new order every epoch out, for images that do not fit in memory."""

import keras
import numpy as np


class ImageFiles(keras.utils.PyDataset):
    """Batches from .npy files, of which no more than a batch is in memory; for `fit`, on every backend.

    Every epoch has an order of its own. What is drawn are runs of neighbouring images, `run` of them, since a disk
    reads neighbours in one go: a batch holds batch_size / run runs from anywhere in the files.

    Args:
        paths: .npy files, each an array (n, height, width, channels) or (n, height, width), uint8 in 0..255 or
            float32 in [0, 1]; all of one type and size of image.
        batch_size: images in a batch; the last one may be smaller.
        run: neighbours that stay together; 1 for a full shuffle.
        seed: integer; of the order.

    Raises:
        ValueError: for no file, a file that is not such an array, or numbers that are not positive integers.
    """

    def __init__(self, paths, batch_size=50, *, run=8, seed=0):
        super().__init__()
        for name, number in (("batch_size", batch_size), ("run", run)):
            if not isinstance(number, int | np.integer) or number < 1:
                raise ValueError(f"{name} must be a positive integer; received {number!r}")
        self.paths, self.batch_size, self.seed = [str(path) for path in paths], batch_size, seed
        counts, self.shape = _look(self.paths)
        firsts = [np.arange(0, count, run) for count in counts]
        files = np.repeat(np.arange(len(counts)), [len(first) for first in firsts])
        first = np.concatenate(firsts)
        # A row per run: file, its first image, the one after its last.
        self.runs = np.stack([files, first, np.minimum(first + run, np.array(counts)[files])], axis=1)
        self.count = sum(counts)
        self.epoch = -1
        self.on_epoch_end()

    def on_epoch_end(self):
        """Draw the order of the next epoch."""
        self.epoch += 1
        self.order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.runs))
        self.ends = np.cumsum(self.runs[self.order, 2] - self.runs[self.order, 1])

    def __len__(self):
        return -(-self.count // self.batch_size)

    def __getitem__(self, index):
        """(images, images) of a batch: float32 (n, height, width, channels) in [0, 1]."""
        begin, end = index * self.batch_size, min((index + 1) * self.batch_size, self.count)
        parts, place = [], int(np.searchsorted(self.ends, begin, side="right"))
        while begin < end:
            file, first, last = self.runs[self.order[place]]
            first = last - (self.ends[place] - begin)
            last = min(last, first + end - begin)
            # Opened for each run and closed again: what stays mapped would count as memory in use.
            parts.append(np.load(self.paths[file], mmap_mode="r")[first:last].copy())
            begin, place = begin + last - first, place + 1
        images = np.concatenate(parts).reshape(-1, *self.shape)
        if images.dtype == np.uint8:
            images = np.divide(images, 255, dtype="float32")
        return images, images


def _look(paths):
    """([images in each file], (height, width, channels)); raises ValueError."""
    if not paths:
        raise ValueError("paths must name at least one .npy file; received none")
    counts, kinds = [], []
    for path in paths:
        try:
            array = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise ValueError(f"paths must be .npy files of images; {path}: {error}") from None
        if not isinstance(array, np.ndarray):
            raise ValueError(f"paths must be .npy files, an array each; {path} is an archive, .npz")
        if array.ndim not in (3, 4) or array.dtype not in (np.uint8, np.float32) or not len(array):
            received = f"{array.dtype} {array.shape}"
            raise ValueError(f"{path} must hold uint8 or float32 (n, height, width[, channels]); received {received}")
        counts.append(len(array))
        kinds.append((array.dtype, (*array.shape[1:], 1)[:3]))
    for path, kind in zip(paths, kinds, strict=True):
        if kind != kinds[0]:
            raise ValueError(f"paths must hold images of one type and size; {path} has {kind}, {paths[0]} {kinds[0]}")
    return counts, kinds[0][1]
