"""aelib.training.ImageFiles: every image once an epoch, in an order of its own, and no more than a batch in memory."""

from itertools import chain

import keras
import numpy as np
import psutil
import pytest

from aelib import models, training


def numbered(count, first=0, size=4, dtype="uint8"):
    """Images of which each pixel says which image it is."""
    numbers = np.arange(first, first + count, dtype="uint32")
    return (np.zeros((count, size, size)) + numbers[:, None, None]).astype(dtype)


@pytest.fixture
def paths(tmp_path):
    """Three files with 50, 7 and 43 images, the numbers 0 to 99."""
    found, first = [], 0
    for count in (50, 7, 43):
        found.append(tmp_path / f"{first}.npy")
        np.save(found[-1], numbered(count, first))
        first += count
    return found


def numbers(batches):
    return [np.rint(255 * batches[index][0][:, 0, 0, 0]).astype(int).tolist() for index in range(len(batches))]


@pytest.mark.parametrize(("batch_size", "run"), [(10, 1), (10, 8), (16, 3), (100, 8), (130, 5), (1, 1), (7, 50)])
def test_every_image_comes_once_an_epoch_in_batches_of_the_size_asked(paths, batch_size, run):
    batches = training.ImageFiles(paths, batch_size, run=run)
    for _ in range(2):
        found = numbers(batches)
        assert sorted(chain.from_iterable(found)) == list(range(100))
        assert [len(batch) for batch in found[:-1]] == [batch_size] * (len(found) - 1)
        assert len(found) == len(batches)
        batches.on_epoch_end()


def test_the_order_changes_with_the_epoch_and_the_seed_and_with_nothing_else(paths):
    orders = []
    for seed in (0, 0, 1):
        batches = training.ImageFiles(paths, 10, seed=seed)
        first = numbers(batches)
        batches.on_epoch_end()
        orders.append((first, numbers(batches)))
    assert orders[0] == orders[1] != orders[2]
    assert orders[0][0] != orders[0][1]


def test_a_batch_mixes_neighbours_from_several_places(paths):
    (batch, *_) = numbers(training.ImageFiles(paths, 16, run=4))
    steps = np.diff(batch)
    assert (steps == 1).sum() >= 9 and (np.abs(steps) > 4).sum() >= 2


def test_bytes_become_numbers_from_0_to_1_and_floats_stay(tmp_path):
    np.save(tmp_path / "bytes.npy", np.full((2, 4, 4), 255, "uint8"))
    np.save(tmp_path / "floats.npy", np.full((2, 4, 4, 3), 0.25, "float32"))
    for name, shape, value in (("bytes", (2, 4, 4, 1), 1.0), ("floats", (2, 4, 4, 3), 0.25)):
        images, targets = training.ImageFiles([tmp_path / f"{name}.npy"])[0]
        assert images is targets
        assert (images.shape, images.dtype) == (shape, np.float32)
        assert (images == np.float32(value)).all()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (np.zeros((3, 4), "uint8"), r"must hold uint8 or float32 \(n, height, width.*; received uint8 \(3, 4\)"),
        (np.zeros((3, 4, 4)), r"received float64 \(3, 4, 4\)"),
        (np.zeros((0, 4, 4), "uint8"), r"received uint8 \(0, 4, 4\)"),
        (b"no array", "paths must be .npy files of images; .*one.npy"),
        (None, "paths must be .npy files of images; .*one.npy"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_images_is_refused(tmp_path, content, words):
    if isinstance(content, bytes):
        (tmp_path / "one.npy").write_bytes(content)
    elif content is not None:
        np.save(tmp_path / "one.npy", content)
    with pytest.raises(ValueError, match=words):
        training.ImageFiles([tmp_path / "one.npy"])


def test_mistakes_name_the_argument(paths, tmp_path):
    np.save(tmp_path / "large.npy", np.zeros((3, 5, 5), "uint8"))
    np.savez(tmp_path / "many.npz", np.zeros((3, 4, 4), "uint8"))
    for wrong, words in (
        ({"paths": []}, "paths must name at least one .npy file"),
        ({"paths": [*paths, tmp_path / "large.npy"]}, "paths must hold images of one type and size"),
        ({"paths": [*paths, tmp_path / "many.npz"]}, "many.npz is an archive, .npz"),
        ({"paths": paths, "batch_size": 0}, "batch_size must be a positive integer; received 0"),
        ({"paths": paths, "run": 1.5}, "run must be a positive integer; received 1.5"),
    ):
        with pytest.raises(ValueError, match=words):
            training.ImageFiles(**wrong)


def autoencoder():
    encoder = models.mlp_encoder((4, 4, 1), 2, (8,))
    model = models.Autoencoder(encoder, models.mlp_decoder((4, 4, 1), 2, (8,)))
    model.build((None, 4, 4, 1))
    return training.glorot_start(model, factor=4)


@pytest.mark.backend
def test_a_model_trains_from_files_with_the_numbers_it_trains_with_from_memory(paths):
    # In one batch the order of the images makes no difference.
    given = {"epochs": 5, "learning_rate": 0.02, "verbose": False}
    images = numbered(100)[..., None] / np.float32(255)
    kept = training.fit(autoencoder(), images, batch_size=100, **given)
    read = training.fit(autoencoder(), training.ImageFiles(paths, 100), **given)
    np.testing.assert_allclose(read.mse, kept.mse, rtol=1e-5)


@pytest.mark.backend
def test_training_from_files_is_reproducible_and_learns_with_a_ragged_last_batch(paths):
    given = {"epochs": 4, "learning_rate": 0.02, "verbose": False}
    one, other = (training.fit(autoencoder(), training.ImageFiles(paths, 15), **given) for _ in range(2))
    assert one.mse == other.mse
    assert one.mse[-1] < one.mse[0]


def test_reading_takes_no_more_memory_than_a_batch(tmp_path):
    path = tmp_path / "large.npy"
    np.lib.format.open_memmap(path, "w+", "uint8", (300_000, 28, 28)).flush()
    batches = training.ImageFiles([path], 1000)
    process = psutil.Process()
    batches[0]
    before = process.memory_info().rss
    for index in range(len(batches)):
        batches[index]
    assert process.memory_info().rss - before < 40e6 < path.stat().st_size / 5


def test_a_dataset_of_labels_is_refused(paths):
    class Labelled(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return np.zeros((5, 4, 4, 1), "float32"), np.zeros(5, "int64")

    with pytest.raises(ValueError, match=r"target must have the shape of the output, \(5, 4, 4, 1\)"):
        training.fit(autoencoder(), Labelled(), epochs=1)
