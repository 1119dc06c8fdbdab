"""aelib.data: image sets, files that are refused, downloads and patches."""

import contextlib
import gzip
import hashlib
import importlib.util
import io
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from needs import missing

from aelib import data
from aelib.corruption import grayscale
from aelib.data import DataError, download, files, patches

REPOSITORY = Path(__file__).resolve().parents[1]
SPLITS = ("train", "val", "test")
SMALL_TRAIN, SMALL_TEST, SMALL_VAL = 60, 20, 10


def random_set(seed=0, shape=(28, 28)):
    rng = np.random.default_rng(seed)
    return {
        "x_train": rng.integers(0, 256, (SMALL_TRAIN, *shape), np.uint8),
        "y_train": rng.integers(0, 10, SMALL_TRAIN).astype(np.uint8),
        "x_test": rng.integers(0, 256, (SMALL_TEST, *shape), np.uint8),
        "y_test": rng.integers(0, 10, SMALL_TEST).astype(np.uint8),
    }


def npz(arrays):
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    return packed.getvalue()


def small_set(name, arrays, **changes):
    """Return the real entry of a set, with the number of images of a small replacement."""
    counts = (len(arrays["x_train"]) - SMALL_VAL, SMALL_VAL, len(arrays["x_test"]))
    return replace(files.SETS[name], counts=counts, **changes)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty data folder."""
    chosen = tmp_path / "data"
    chosen.mkdir()
    monkeypatch.setenv("AELIB_DATA", str(chosen))
    # No proxy of the machine may come between these tests and their own server.
    monkeypatch.setenv("no_proxy", "*")
    return chosen


@pytest.fixture
def small_mnist(folder, monkeypatch):
    """Return a small set that load("mnist") accepts as the published one; its file does not exist yet."""
    arrays = random_set()
    monkeypatch.setitem(files.SETS, "mnist", small_set("mnist", arrays, digest=files.content_digest(arrays)[0]))
    return arrays


@pytest.fixture
def no_download(monkeypatch):
    def refuse(*_):
        raise AssertionError("a download was begun")

    monkeypatch.setattr(download, "_download", refuse)


def refused(name="mnist"):
    """Return the error of loading a set, which must be one line and come within five seconds."""
    started = time.monotonic()
    with pytest.raises(DataError) as caught:
        data.load(name)
    assert time.monotonic() - started < 5
    message = str(caught.value)
    assert "\n" not in message and len(message) < 900
    return message


# Every set


@pytest.mark.parametrize("name", ["mnist-5k", "natural-patches", "natural-patches-rgb"])
def test_embedded_sets_have_the_documented_sizes_types_and_range(name):
    images = data.load(name)
    counts, shape = {
        "mnist-5k": ((3500, 500, 1000), (28, 28, 1)),
        "natural-patches": ((20000, 2000, 5000), (10, 10, 1)),
        "natural-patches-rgb": ((8000, 1000, 2000), (16, 16, 3)),
    }[name]
    assert images.name == name
    for split, count in zip(SPLITS, counts, strict=True):
        pixels, labels = getattr(images, split), getattr(images, f"{split}_labels")
        assert pixels.shape == (count, *shape) and pixels.dtype == np.float32
        assert 0 <= pixels.min() < 0.05 and 0.8 < pixels.max() <= 1
        assert labels.shape == (count,) and labels.dtype == np.int64


def test_full_sets_are_split_scaled_and_sorted_without_losing_an_image(folder, small_mnist):
    (folder / "mnist.npz").write_bytes(npz(small_mnist))
    images = data.load("mnist")
    assert (len(images.train), len(images.val)) == (SMALL_TRAIN - SMALL_VAL, SMALL_VAL)
    for splits, key in (("train", "val"), "train"), (("test",), "test"):
        actual = {
            (int(label), np.rint(image * 255).astype(np.uint8).tobytes())
            for split in splits
            for image, label in zip(getattr(images, split), getattr(images, f"{split}_labels"), strict=True)
        }
        published = zip(small_mnist[f"y_{key}"], small_mnist[f"x_{key}"], strict=True)
        assert actual == {(int(label), image.tobytes()) for label, image in published}
    assert images.train.max() == 1 and images.train.shape[1:] == (28, 28, 1)


def test_an_unknown_name_is_refused_with_the_valid_names():
    with pytest.raises(ValueError, match=r"name must be one of mnist-5k, mnist, .*; received 'minst'"):
        data.load("minst")


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1", None, True])
def test_an_invalid_seed_is_refused(seed):
    with pytest.raises(ValueError, match=r"seed must be an integer from 0 to 4,294,967,295; received "):
        data.load(seed=seed)


def test_integers_of_numpy_are_integers():
    first, again = data.load("natural-patches", seed=3), data.load("natural-patches", seed=np.int64(3))
    assert np.array_equal(first.train, again.train)
    cut, _ = data.cut_patches([np.zeros((9, 9))], size=np.int32(2), count=np.uint8(5), seed=np.int16(0))
    assert cut.shape == (5, 2, 2, 1)


def test_images_print_their_shapes_and_cannot_be_reassigned():
    images = data.load()
    assert repr(images) == ("Images(mnist-5k: train (3500, 28, 28, 1), val (500, 28, 28, 1), test (1000, 28, 28, 1))")
    with pytest.raises(AttributeError):
        images.test = images.train


def test_the_default_set_needs_neither_keras_nor_scikit_image():
    code = "import sys; from aelib import data; data.load(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"keras", "tensorflow", "jax", "torch", "skimage", "sklearn"} & set(loaded.split())


# mnist-5k


def test_mnist_5k_is_balanced_in_every_split_and_in_mixed_order():
    images = data.load("mnist-5k")
    for split, share in zip(SPLITS, (350, 50, 100), strict=True):
        labels = getattr(images, f"{split}_labels")
        assert np.bincount(labels).tolist() == [share] * 10
        # Pictures and short runs use the first images; a slice may leave out the last ones.
        for part in (labels[:100], labels[-100:]):
            assert np.bincount(part, minlength=10).min() >= 3
        assert np.mean(np.diff(labels) != 0) > 0.8


def test_no_digit_of_mnist_5k_is_in_two_splits():
    images = data.load("mnist-5k")
    digits = {image.tobytes() for split in SPLITS for image in getattr(images, split)}
    assert len(digits) == 5000


def test_mnist_5k_does_not_depend_on_aelib_data(monkeypatch):
    monkeypatch.setenv("AELIB_DATA", "/no/such/folder")
    assert len(data.load("mnist-5k", seed=3).test) == 1000


def test_damaged_mnist_5k_is_refused_with_the_way_to_restore_it(tmp_path, monkeypatch):
    packed = bytearray((REPOSITORY / "data" / "mnist_5k.npz").read_bytes())
    packed[len(packed) // 2] ^= 1
    (tmp_path / "mnist_5k.npz").write_bytes(packed)
    monkeypatch.setattr(files, "repository_file", lambda name: tmp_path / Path(name).name)
    message = refused("mnist-5k")
    assert str(tmp_path / "mnist_5k.npz") in message and "git checkout -- data/mnist_5k.npz" in message


def load_script():
    spec = importlib.util.spec_from_file_location("make_mnist_5k", REPOSITORY / "data" / "make_mnist_5k.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_the_script_deals_the_same_splits_from_any_order_and_packs_the_same_bytes():
    script = load_script()
    with np.load(REPOSITORY / "data" / "mnist_5k.npz") as archive:
        arrays = {key: archive[key] for key in archive}
    pixels, labels = (np.concatenate([arrays[f"{k}_{s}"] for s in SPLITS]) for k in "xy")
    mixed = np.random.default_rng(0).permutation(5000)
    dealt = script.deal(pixels[mixed], labels[mixed])
    assert dealt.keys() == arrays.keys()
    assert all(np.array_equal(dealt[key], arrays[key]) for key in arrays)
    few = {key: array[:50] for key, array in dealt.items()}
    packed = script.pack(few)
    with np.load(io.BytesIO(packed)) as again:
        assert all(np.array_equal(again[key], few[key]) for key in arrays)
    # A date of 1980, as NumPy writes it, not the current one.
    assert {info.date_time for info in zipfile.ZipFile(io.BytesIO(packed)).infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_data_readme_states_the_true_size_and_digests():
    readme = (REPOSITORY / "data" / "README.md").read_text()
    packed = (REPOSITORY / "data" / "mnist_5k.npz").read_bytes()
    assert f"{len(packed):,} bytes" in readme and hashlib.sha256(packed).hexdigest() in readme
    assert files.SETS["mnist-5k"].digest in readme and files.SETS["mnist"].digest in readme


# The full MNIST, if it is available


@pytest.fixture
def full_mnist(monkeypatch):
    candidates = [os.environ.get("AELIB_DATA"), REPOSITORY.parent / "shared" / "data"]
    for candidate in candidates:
        if candidate and (Path(candidate) / "mnist.npz").is_file():
            monkeypatch.setenv("AELIB_DATA", str(candidate))
            return Path(candidate) / "mnist.npz"
    missing("mnist", "no full MNIST")


def test_full_mnist_passes_its_digest_and_has_the_known_means(full_mnist, no_download):
    images = data.load("mnist")
    assert [len(getattr(images, split)) for split in SPLITS] == [55000, 5000, 10000]
    mean = (images.train.mean(dtype=float) * 55000 + images.val.mean(dtype=float) * 5000) / 60000
    assert mean == pytest.approx(0.1306604762738429, abs=1e-7)
    assert images.test.mean(dtype=float) == pytest.approx(0.13251460584233693, abs=1e-7)
    assert data.describe("mnist").split()[-2:] == ["verified", str(full_mnist)]


def test_mnist_5k_has_training_images_of_mnist_and_none_of_its_test_images(full_mnist):
    with np.load(full_mnist) as mnist, np.load(REPOSITORY / "data" / "mnist_5k.npz") as ours:
        train = {x.tobytes(): y for x, y in zip(mnist["x_train"], mnist["y_train"], strict=True)}
        test = {x.tobytes() for x in mnist["x_test"]}
        for split in SPLITS:
            for image, label in zip(ours[f"x_{split}"], ours[f"y_{split}"], strict=True):
                assert train[image.tobytes()] == label and image.tobytes() not in test


# The digest and the split


def plain_digest(arrays):
    """Return the digest as data/README.md defines it, in the simplest way."""
    text = b""
    for split in sorted(key.split("_")[1] for key in arrays if key[0] == "x"):
        each = []
        for image, label in zip(arrays[f"x_{split}"], arrays[f"y_{split}"], strict=True):
            each.append(hashlib.sha256(bytes([label]) + image.tobytes()).digest())
        text += split.encode() + b"\0" + b"".join(sorted(each))
    return hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize("shape", [(28, 28), (32, 32, 3)])
def test_the_digest_is_the_documented_one(shape):
    arrays = random_set(shape=shape)
    assert files.content_digest(arrays)[0] == plain_digest(arrays)


def shuffled(arrays, seed=1):
    order = np.random.default_rng(seed).permutation(SMALL_TRAIN)
    return arrays | {"x_train": arrays["x_train"][order], "y_train": arrays["y_train"][order]}


def test_the_digest_ignores_the_order_of_images_and_nothing_else():
    arrays = random_set()
    digest = files.content_digest(arrays)[0]
    assert files.content_digest(shuffled(arrays))[0] == digest
    labels = arrays["y_train"].copy()
    labels[:2] = labels[1] + 1, labels[0]
    pixel = arrays["x_test"].copy()
    pixel[7, 3, 3] ^= 1
    exchanged = {key: value.copy() for key, value in arrays.items()}
    for key in "xy":
        exchanged[f"{key}_train"][0], exchanged[f"{key}_test"][0] = (
            arrays[f"{key}_test"][0],
            arrays[f"{key}_train"][0],
        )
    for other in (arrays | {"y_train": labels}, arrays | {"x_test": pixel}, exchanged):
        assert files.content_digest(other)[0] != digest


def test_the_split_depends_on_the_seed_and_not_on_the_order_in_the_file(folder, small_mnist):
    (folder / "mnist.npz").write_bytes(npz(small_mnist))
    first, other = data.load("mnist", seed=5), data.load("mnist", seed=6)
    (folder / "mnist.npz").write_bytes(npz(shuffled(small_mnist)))
    again = data.load("mnist", seed=5)
    for split in SPLITS:
        assert np.array_equal(getattr(first, split), getattr(again, split))
        assert np.array_equal(getattr(first, f"{split}_labels"), getattr(again, f"{split}_labels"))
    assert {image.tobytes() for image in first.val} != {image.tobytes() for image in other.val}
    assert np.array_equal(first.test, other.test)


# Files with other content


class Trap:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def traps(labels):
    return np.array([Trap() for _ in labels], object)


def with_header(arrays, key, shape):
    """Return an .npz file whose member `key` has a header with this shape, and almost no pixels."""
    header = {"descr": "|u1", "fortran_order": False, "shape": shape} if shape else "no header"
    packed = io.BytesIO(npz({k: v for k, v in arrays.items() if k != key}))
    text = (repr(header) + "\n").encode("latin1")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(f"{key}.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"pixels")
    return packed.getvalue()


def repacked(arrays, compression):
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", compression) as archive,
        zipfile.ZipFile(io.BytesIO(npz(arrays))) as source,
    ):
        for key in source.namelist():
            archive.writestr(key, source.read(key))
    return packed.getvalue()


def changed(arrays, key, change):
    return npz(arrays | {key: change(arrays[key])})


def one_pixel_off(images):
    return images ^ (np.arange(images.size) == 5000).reshape(images.shape)


def one_label_off(labels):
    return np.concatenate([labels[:-1], (labels[-1:] + 1) % 10])


BAD_FILES = {
    "empty": (lambda a: b"", "it is empty"),
    "web page": (lambda a: b"<!DOCTYPE html><html><body>Sign in</body></html>", "it is a web page"),
    "text": (lambda a: b"404: not found", "not an .npz file"),
    "cut in half": (lambda a: npz(a)[: len(npz(a)) // 2], "damaged or not an .npz file"),
    "first byte changed": (lambda a: b"Q" + npz(a)[1:], "damaged or not an .npz file"),
    "last byte missing": (lambda a: npz(a)[:-1], "damaged or not an .npz file"),
    "one .npy": (lambda a: a["x_train"].tobytes(), "damaged or not an .npz file"),
    "wrong count": (lambda a: changed(a, "x_train", lambda x: x[1:]), "x_train must be uint8 (60, 28, 28)"),
    "flat images": (lambda a: changed(a, "x_test", lambda x: x.reshape(20, 784)), "received uint8 (20, 784)"),
    "floats": (lambda a: changed(a, "x_train", lambda x: x / 255), "received float64 (60, 28, 28)"),
    "wide labels": (lambda a: changed(a, "y_train", lambda y: y.astype(np.int64)), "received int64 (60,)"),
    "missing array": (lambda a: npz({k: v for k, v in a.items() if k != "y_test"}), "it has no array y_test"),
    "other pixels": (lambda a: npz(random_set(9)), "not the expected ones"),
    "one label": (lambda a: changed(a, "y_test", one_label_off), "not the expected ones"),
    "one pixel": (lambda a: changed(a, "x_train", one_pixel_off), "not the expected ones"),
    "huge": (lambda a: with_header(a, "x_train", (10**13, 28, 28)),
             "Unable to allocate"),
    "no pixels": (lambda a: with_header(a, "x_train", (60, 28, 28)),
                  "47040"),
    "nonsense header": (lambda a: with_header(a, "x_train", None), "Header is not a dictionary"),
    "objects": (lambda a: changed(a, "y_train", traps), "allow_pickle=False"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_named_with_the_remedy_and_left_unchanged(kind, folder, small_mnist, no_download, monkeypatch):
    monkeypatch.chdir(folder.parent)
    make, problem = BAD_FILES[kind]
    path, content = folder / "mnist.npz", make(small_mnist)
    path.write_bytes(content)
    message = refused()
    assert str(path) in message and problem in message
    assert "move it away" in message and "AELIB_DATA" in message and "mnist-5k" in message
    assert path.read_bytes() == content and os.listdir(folder) == ["mnist.npz"]
    assert not (folder.parent / "unpickled").exists()
    assert "refused" in data.describe("mnist") and problem in data.describe("mnist")


@pytest.mark.parametrize("kind", ["folder", "pipe", "broken link"])
def test_anything_but_a_file_under_its_name_is_refused_and_left_unchanged(kind, folder, small_mnist, no_download):
    path = folder / "mnist.npz"
    {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "broken link": lambda: path.symlink_to("nowhere"),
    }[kind]()
    before = os.lstat(path)
    assert f"{path} cannot be used: it is not a regular file" in refused()
    assert os.lstat(path).st_ino == before.st_ino


OTHER_PACKINGS = {
    "column order": lambda a: changed(a, "x_test", np.asfortranarray),
    "bzip2": lambda a: repacked(a, zipfile.ZIP_BZIP2),
    "lzma": lambda a: repacked(a, zipfile.ZIP_LZMA),
}


@pytest.mark.parametrize("packing", OTHER_PACKINGS)
def test_the_same_images_packed_in_another_way_are_the_same_set(packing, folder, small_mnist, no_download):
    (folder / "mnist.npz").write_bytes(npz(small_mnist))
    expected = data.load("mnist")
    (folder / "mnist.npz").write_bytes(OTHER_PACKINGS[packing](small_mnist))
    repacked_images = data.load("mnist")
    assert all(np.array_equal(getattr(repacked_images, split), getattr(expected, split)) for split in SPLITS)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_no_flipped_byte_changes_an_image_unnoticed(save, folder, small_mnist):
    packed = io.BytesIO()
    save(packed, **small_mnist)
    good, path = packed.getvalue(), folder / "mnist.npz"
    path.write_bytes(good)
    expected, refusals = files.read("mnist"), 0
    for position in [*range(0, len(good), len(good) // 40), *range(120), *range(len(good) - 250, len(good))]:
        flipped = bytearray(good)
        flipped[position] ^= 0x10
        path.write_bytes(flipped)
        try:
            arrays = files.read("mnist")
        except DataError:
            refusals += 1
            continue
        # A date or an attribute in the archive's directory may differ, but no image.
        assert all(np.array_equal(arrays[key], expected[key]) for key in small_mnist)
    assert refusals > 150


def test_a_flipped_byte_within_the_pixels_of_each_array_is_refused(folder, small_mnist, no_download):
    good = npz(small_mnist)
    for key in small_mnist:
        pixels = small_mnist[key].tobytes()
        flipped = bytearray(good)
        flipped[good.index(pixels) + len(pixels) // 2] ^= 1
        (folder / "mnist.npz").write_bytes(flipped)
        assert str(folder / "mnist.npz") in refused()


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10"])
def test_sets_without_a_published_digest_must_contain_their_own(name, folder, no_download, monkeypatch):
    shape = {"fashion-mnist": (28, 28), "cifar10": (32, 32, 3)}[name]
    arrays = random_set(shape=shape)
    monkeypatch.setitem(files.SETS, name, small_set(name, arrays))
    path = folder / f"{name}.npz"
    digest = np.frombuffer(bytes.fromhex(files.content_digest(arrays)[0]), np.uint8)
    path.write_bytes(npz(arrays | {"digest": digest}))
    assert len(data.load(name).test) == SMALL_TEST and "verified" in data.describe(name)
    path.write_bytes(npz(arrays))
    assert "it has no array digest" in refused(name)
    path.write_bytes(npz(random_set(9, shape) | {"digest": digest}))
    assert "not the expected ones" in refused(name)


# The folder


def test_a_folder_that_does_not_exist_is_named_and_not_created(tmp_path, monkeypatch):
    monkeypatch.setenv("AELIB_DATA", str(tmp_path / "dta"))
    message = refused()
    assert "AELIB_DATA must name an existing folder" in message and str(tmp_path / "dta") in message
    assert os.listdir(tmp_path) == []
    assert "refused" in data.describe("mnist")


def test_an_empty_aelib_data_means_the_folder_of_the_repository(monkeypatch):
    monkeypatch.setenv("AELIB_DATA", "")
    assert files.folder() == REPOSITORY / "data"


def test_a_home_folder_in_aelib_data_is_expanded(monkeypatch, tmp_path):
    (tmp_path / "sets").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AELIB_DATA", "~/sets")
    assert files.folder() == tmp_path / "sets"


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path, monkeypatch, published):
    chosen = tmp_path / "read-only"
    chosen.mkdir(mode=0o555)
    if os.access(chosen, os.W_OK):
        # root may write everywhere except to the kernel's file systems.
        chosen = Path("/proc")
        if not chosen.is_dir():
            missing("unwritable", "root, and no /proc")
    monkeypatch.setenv("AELIB_DATA", str(chosen))
    message = refused()
    assert str(chosen / "mnist.npz") in message and "mnist-5k" in message


def test_a_folder_that_cannot_be_written_is_noticed_before_the_download(published, server, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "cannot be written to" in refused() and server.asked == []


# Downloads, from a local server


class Server:
    """A local server of bytes by name that records the requests and can delay its answers."""

    def __init__(self):
        self.answers, self.asked, self.hold = {}, [], None
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                if outer.hold == "answer":
                    outer.released.wait(30)
                content = outer.answers.get(self.path.rsplit("/", 1)[-1])
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                half = len(content or b"") // 2
                # The client may have disconnected.
                with contextlib.suppress(OSError):
                    self.wfile.write((content or b"")[:half])
                    if outer.hold == "second half":
                        outer.released.wait(30)
                    if outer.hold != "cut off":
                        self.wfile.write((content or b"")[half:])

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.released.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


def fashion_files(arrays):
    packed = {}
    for split, prefix in ("train", "train"), ("test", "t10k"):
        packed[f"{prefix}-images-idx3-ubyte.gz"] = gzip.compress(bytes(16) + arrays[f"x_{split}"].tobytes())
        packed[f"{prefix}-labels-idx1-ubyte.gz"] = gzip.compress(bytes(8) + arrays[f"y_{split}"].tobytes())
    return packed


def cifar_archive(arrays):
    packed = io.BytesIO()
    batches = [(f"data_batch_{i + 1}", "train", slice(12 * i, 12 * i + 12)) for i in range(5)]
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        # The published archive does not have its batches in order either.
        for name, split, part in [("test_batch", "test", slice(None)), *reversed(batches)]:
            pixels = arrays[f"x_{split}"][part].transpose(0, 3, 1, 2)
            labels = arrays[f"y_{split}"][part]
            records = zip(labels, pixels, strict=True)
            content = b"".join(bytes([label]) + image.tobytes() for label, image in records)
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def published(folder, small_mnist, server, monkeypatch):
    """Serve small replacements of the published sets with their own checksums; nothing is downloaded yet."""
    sets = {"mnist": small_mnist, "fashion-mnist": random_set(2), "cifar10": random_set(3, (32, 32, 3))}
    content = {
        "mnist": {"mnist.npz": npz(small_mnist)},
        "fashion-mnist": fashion_files(sets["fashion-mnist"]),
        "cifar10": {"cifar-10-binary.tar.gz": cifar_archive(sets["cifar10"])},
    }
    for name, arrays in sets.items():
        urls = {}
        for url, checksum in files.SETS[name].urls.items():
            file, algorithm = url.rsplit("/", 1)[1], checksum.split(":")[0]
            urls[server.url + file] = f"{algorithm}:{hashlib.new(algorithm, content[name][file]).hexdigest()}"
        server.answers |= content[name]
        monkeypatch.setitem(files.SETS, name, small_set(name, arrays, urls=urls))
    return sets


def process_that_loads(before=""):
    """Start another Python that loads the small mnist and prints the sum of its pixels."""
    code = f"""
        import signal
        from aelib import data
        from aelib.data import files
        # The signal is ignored if the tests run in the background of a shell.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        files.SETS["mnist"] = files.{files.SETS["mnist"]!r}
        {before}
        print(data.load("mnist").train.sum())
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )


def until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_a_download_has_the_published_images_and_leaves_nothing_else(name, folder, published, no_keras):
    images = data.load(name)
    assert os.listdir(folder) == [f"{name}.npz"]
    test = published[name]["x_test"]
    expected = {
        (int(label), (image / np.float32(255)).tobytes())
        for image, label in zip(test.reshape(*test.shape[:3], -1), published[name]["y_test"], strict=True)
    }
    actual = {(int(y), x.tobytes()) for x, y in zip(images.test, images.test_labels, strict=True)}
    assert actual == expected and len(images.train) == SMALL_TRAIN - SMALL_VAL


@pytest.fixture
def no_keras(monkeypatch):
    """Make it an error to import Keras or a backend."""
    for name in ("keras", "tensorflow", "jax", "torch"):
        monkeypatch.setitem(sys.modules, name, None)


def test_a_downloaded_file_is_reused_and_has_the_mode_of_the_umask(folder, published, server):
    before = os.umask(0o022)
    try:
        first = data.load("mnist")
    finally:
        os.umask(before)
    assert (folder / "mnist.npz").stat().st_mode & 0o777 == 0o644
    assert np.array_equal(data.load("mnist").train, first.train) and server.asked == ["/mnist.npz"]


@pytest.mark.parametrize("fault", ["refused", "hanging", "hanging name", "error 404"])
def test_a_missing_file_without_a_network_is_one_clear_error(fault, folder, published, server, monkeypatch):
    address = server.url + "mnist.npz"
    if fault == "refused":
        server.close()
    elif fault == "hanging":
        server.hold = "answer"
        monkeypatch.setattr(download, "ANSWER_SECONDS", 1)
    elif fault == "hanging name":
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: time.sleep(20))
    else:
        server.answers.clear()
    message = refused()
    assert str(folder / "mnist.npz") in message and address in message and "mnist-5k" in message
    expected = {"refused": "no network", "error 404": "404"}.get(fault, f"within {download.ANSWER_SECONDS} seconds")
    assert expected in message
    assert os.listdir(folder) == []


def test_a_process_without_a_network_ends_at_once(folder, published):
    process = process_that_loads("import socket, time; socket.getaddrinfo = lambda *_, **__: time.sleep(20)")
    started = time.monotonic()
    _, errors = process.communicate(timeout=15)
    assert "DataError" in errors.splitlines()[-1] and time.monotonic() - started < 10


def test_outside_a_checkout_a_download_goes_to_the_cache_folder_of_the_user(published, tmp_path, monkeypatch):
    monkeypatch.delenv("AELIB_DATA")
    monkeypatch.setattr(files, "IN_CHECKOUT", False)
    # These determine the user's cache folder on Linux and on macOS.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert "not fetched yet" in data.describe("mnist") and not (tmp_path / "home").exists()
    assert len(data.load("mnist").test) == SMALL_TEST
    assert files.folder().name == "aelib" and list((tmp_path / "home").rglob("mnist.npz")) == [
        files.folder() / "mnist.npz"
    ]


def test_two_first_downloads_at_once_leave_one_good_file(folder, published, server):
    # Delayed, so that both are in the middle of the download at the same time.
    server.hold = "second half"
    processes = [process_that_loads() for _ in range(2)]
    until(lambda: len(server.asked) == 2)
    server.released.set()
    results = [process.communicate(timeout=30) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert results[0][0] == results[1][0] != ""
    assert os.listdir(folder) == ["mnist.npz"]
    files.read("mnist")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_download_leaves_nothing_and_can_be_repeated(number, folder, published, server):
    server.hold = "second half"
    process = process_that_loads()
    until(lambda: server.asked)
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode == -number and os.listdir(folder) == []
    server.hold = None
    assert len(data.load("mnist").test) == SMALL_TEST and os.listdir(folder) == ["mnist.npz"]


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(folder, published):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"
    process = process_that_loads(limit)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"{folder / 'mnist.npz'} is missing and could not be fetched: [Errno" in errors.splitlines()[-1]
    assert os.listdir(folder) == []


@pytest.mark.parametrize("content", ["web page", "nothing", "other pixels", "wrong count", "objects", "floats"])
def test_a_bad_download_is_refused_and_leaves_nothing(content, folder, published, server):
    server.answers["mnist.npz"] = BAD_FILES[content][0](published["mnist"]) if content in BAD_FILES else b""
    message = refused()
    assert str(folder / "mnist.npz") in message and "could not be fetched" in message and "mnist-5k" in message
    assert server.url + "mnist.npz does not have its published checksum" in message
    assert os.listdir(folder) == []


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_one_changed_byte_in_any_published_file_is_refused(name, folder, published, server):
    for file in [url.rsplit("/", 1)[1] for url in files.SETS[name].urls]:
        good = server.answers[file]
        server.answers[file] = good[:-1] + bytes([good[-1] ^ 1])
        assert f"{file} does not have its published checksum" in refused(name)
        server.answers[file] = good
    assert os.listdir(folder) == []


def test_a_file_that_appears_during_the_download_is_not_overwritten(folder, published, server):
    server.hold = "second half"
    process = process_that_loads()
    until(lambda: server.asked)
    (folder / "mnist.npz").write_bytes(b"somebody's own")
    server.released.set()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1 and "DataError" in errors.splitlines()[-1]
    assert (folder / "mnist.npz").read_bytes() == b"somebody's own" and os.listdir(folder) == ["mnist.npz"]


@pytest.mark.parametrize("hold", ["second half", "cut off"])
def test_a_download_that_stalls_or_ends_early_is_an_error(hold, folder, published, server, monkeypatch):
    monkeypatch.setattr(download, "STALL_SECONDS", 0.5)
    server.hold = hold
    message = refused()
    assert "could not be fetched" in message and ("timed out" in message) == (hold == "second half")
    assert os.listdir(folder) == []


def test_a_folder_of_another_download_may_disappear_at_any_time(folder, published, monkeypatch):
    vanished = folder / ".download-vanished"
    monkeypatch.setattr(Path, "glob", lambda *_: iter([vanished]))
    assert len(data.load("mnist").test) == SMALL_TEST


def test_only_abandoned_downloads_are_removed(folder, published):
    for name, age in (".download-old", 2 * 24 * 3600), (".download-running", 60), ("mine", 2 * 24 * 3600):
        (folder / name).mkdir()
        os.utime(folder / name, (time.time() - age,) * 2)
    data.load("mnist")
    assert sorted(os.listdir(folder)) == [".download-running", "mine", "mnist.npz"]


# Descriptions for the command line


def test_describe_downloads_nothing_and_says_what_exists(folder, small_mnist, no_download):
    assert "not fetched yet (about 12 MB)" in data.describe("mnist")
    (folder / "mnist.npz").write_bytes(npz(small_mnist))
    assert "verified" in data.describe("mnist") and str(folder / "mnist.npz") in data.describe("mnist")
    for name, counts in {
        "mnist-5k": "3,500 / 500 / 1,000",
        "natural-patches": "20,000 / 2,000 / 5,000",
        "natural-patches-rgb": "8,000 / 1,000 / 2,000",
    }.items():
        line = data.describe(name)
        assert line.startswith(name) and counts in line and "\n" not in line
    with pytest.raises(ValueError, match="name must be one of"):
        data.describe("nothing")


@pytest.mark.parametrize("name", data.NAMES)
def test_the_described_sizes_are_those_that_load(name):
    line = data.describe(name)
    expected = {
        "mnist": "55,000 / 5,000 / 10,000  28x28x1",
        "fashion-mnist": "55,000 / 5,000 / 10,000  28x28x1",
        "cifar10": "45,000 / 5,000 / 10,000  32x32x3",
    }.get(name)
    if expected is None:
        images = data.load(name)
        counts = " / ".join(f"{len(getattr(images, split)):,}" for split in SPLITS)
        expected = f"{counts} {'x'.join(map(str, images.train.shape[1:]))}"
    assert " ".join(expected.split()) in " ".join(line.split())


def test_fetch_verifies_or_raises(folder, small_mnist, no_download):
    (folder / "mnist.npz").write_bytes(npz(small_mnist))
    assert "verified" in data.fetch("mnist")
    assert "verified" in data.fetch("mnist-5k") and "scikit-image" in data.fetch("natural-patches")
    (folder / "mnist.npz").write_bytes(b"")
    with pytest.raises(DataError, match="it is empty"):
        data.fetch("mnist")


# Patches


def positions(patch, picture):
    """Return all (row, column) at which a picture (height, width, channels) shows exactly this patch."""
    size = len(patch)
    corners = picture[: len(picture) - size + 1, : picture.shape[1] - size + 1]
    candidates = np.argwhere((corners == patch[0, 0]).all(axis=-1))
    return [(r, c) for r, c in candidates if np.array_equal(picture[r : r + size, c : c + size], patch)]


@pytest.mark.parametrize("name", ["natural-patches", "natural-patches-rgb"])
def test_patches_lie_where_their_labels_and_their_split_say(name):
    images = data.load(name, seed=4)
    photographs = data.pictures()
    if name == "natural-patches":
        weights = np.array([0.2125, 0.7154, 0.0721])
        gray = {key: grayscale(picture[None])[0] for key, picture in photographs.items()}
        assert all(np.allclose(gray[key][..., 0], picture @ weights, atol=1e-6) for key, picture in photographs.items())
        photographs = gray
    assert tuple(photographs) == data.PICTURES
    for split in SPLITS:
        labels = getattr(images, f"{split}_labels")
        allowed = [5, 6] if split == "test" else [0, 1, 2, 3, 4]
        assert np.unique(labels).tolist() == allowed
        assert np.ptp(np.bincount(labels)[allowed]) == 0
        # The last ones; the order is shuffled, so any will do.
        for patch, label in zip(getattr(images, split)[-25:], labels[-25:], strict=True):
            picture = photographs[data.PICTURES[label]]
            border = len(picture) * 7 / 8
            rows = [row for row, _ in positions(patch, picture)]
            assert rows
            if split == "train":
                assert min(rows) + len(patch) <= border + 1
            elif split == "val":
                assert max(rows) >= border - 1


def test_train_and_val_regions_share_no_row(monkeypatch):
    regions = []
    monkeypatch.setattr(patches, "cut_patches", lambda p, *_: (regions.append(p), (None, np.zeros(1)))[1])
    patches.natural_patches(files.SETS["natural-patches-rgb"], seed=0)
    test, train, val = regions
    photographs = data.pictures()
    for name, above, below in zip(patches.TRAINING_PICTURES, train, val, strict=True):
        assert np.array_equal(np.concatenate([above, below]), photographs[name])
    assert all(np.array_equal(a, photographs[name]) for a, name in zip(test, ("chelsea", "flower"), strict=True))


def test_the_seed_determines_the_positions_in_train_and_val_but_not_in_test():
    first, again, other = (data.load("natural-patches", seed=seed) for seed in (1, 1, 2))
    for split in SPLITS:
        assert np.array_equal(getattr(first, split), getattr(again, split))
        assert np.array_equal(getattr(first, split), getattr(other, split)) == (split == "test")


def test_pictures_and_patches_need_no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was used")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    photographs = data.pictures()
    assert tuple(photographs) == data.PICTURES and tuple(p.shape[:2] for p in photographs.values()) == patches.SIZES
    assert all(p.dtype == np.float32 and p.min() >= 0 and 0.9 < p.max() <= 1 for p in photographs.values())


def test_another_picture_under_the_same_name_is_refused(monkeypatch):
    import skimage.data

    monkeypatch.setattr(skimage.data, "coffee", lambda: np.zeros((10, 10, 3), np.uint8), raising=False)
    with pytest.raises(DataError, match=r"'coffee' .* must be uint8 \(400, 600, 3\); the installed one"):
        data.pictures()


def test_cut_patches_takes_every_position_once_before_any_twice():
    numbered = [np.arange(48.0).reshape(6, 8), 100 + np.arange(30.0).reshape(5, 6)]
    cut, labels = data.cut_patches(numbered, size=3, count=24, seed=0)
    assert cut.shape == (24, 3, 3, 1) and labels.dtype == np.int64
    # 12 of the 24 positions in the first picture, all 12 in the second.
    assert np.bincount(labels).tolist() == [12, 12] and len({patch[0, 0, 0] for patch in cut}) == 24
    for patch, label in zip(cut[..., 0], labels, strict=True):
        assert positions(patch[..., None], numbered[label][..., None])
    assert not np.array_equal(labels, np.sort(labels))


def test_cut_patches_keeps_channels_type_and_regions():
    picture = np.random.default_rng(0).random((20, 40, 3)).astype(np.float32)
    cut, _ = data.cut_patches({"right quarter": picture[:, 30:]}, size=4, count=50, seed=1)
    assert cut.shape == (50, 4, 4, 3) and cut.dtype == np.float32
    assert all(positions(patch, picture)[0][1] >= 30 for patch in cut)


def test_cut_patches_shares_the_count_among_the_pictures():
    _, labels = data.cut_patches([np.zeros((9, 9))] * 3, size=2, count=11, seed=0)
    assert np.bincount(labels).tolist() == [4, 4, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 7}, "size must be an integer from 1 to 6; received 7"),
        ({"size": 0}, "size must be an integer from 1 to 6; received 0"),
        ({"count": -1}, "count must be an integer"),
        ({"count": 2.0}, "count must be an integer"),
        ({"count": 99}, "count must not exceed the positions in the pictures; received 99"),
        ({"seed": -1}, "seed must be an integer"),
        ({"pictures": []}, "pictures must be one or more arrays"),
        ({"pictures": [np.zeros((6, 6, 3)), np.zeros((6, 6))]}, "same channels; received shapes"),
    ],
)
def test_cut_patches_refuses_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.cut_patches(**({"pictures": [np.zeros((6, 8))], "size": 3, "count": 2, "seed": 0} | arguments))
