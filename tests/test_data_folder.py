"""aelib.data: pictures and image sets from a folder of the user."""

import itertools
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from aelib import data
from aelib.corruption import grayscale
from aelib.data import DataError

RED, WHITE = (1.0, 0.0, 0.0), (1.0, 1.0, 1.0)


@pytest.fixture
def folder(tmp_path):
    """Return an empty folder."""
    chosen = tmp_path / "holidays"
    chosen.mkdir()
    return chosen


def noise(height=60, width=80, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def mean_color(picture):
    return picture.mean((0, 1), dtype=float)


def header_only(width, height):
    """Return a PNG file with a header of that size and no pixels."""
    chunks = (
        (b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    )
    packed = [struct.pack(">I", len(c)) + t + c + struct.pack(">I", zlib.crc32(t + c)) for t, c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def refused(folder, function=data.pictures, **options):
    """Return the error, which must be one line."""
    with pytest.raises(DataError) as caught:
        function(folder, **options)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 700
    return message


# Whole pictures


def test_pictures_without_a_folder_are_those_of_the_packages():
    assert tuple(data.pictures()) == data.PICTURES


@pytest.mark.parametrize("as_type", [str, lambda path: path], ids=["str", "Path"])
def test_own_pictures_are_named_by_number_in_the_order_of_the_files(folder, as_type):
    for value, name in enumerate(["c.png", "a.png", "B.PNG"], start=1):
        Image.new("RGB", (60, 50), (0, 0, value)).save(folder / name)
    pictures = data.pictures(as_type(folder))
    assert list(pictures) == ["own 1", "own 2", "own 3"]
    assert [round(picture[0, 0, 2] * 255) for picture in pictures.values()] == [3, 2, 1]
    assert all(picture.shape == (50, 60, 3) and picture.dtype == np.float32 for picture in pictures.values())


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif", "avif", "JPG"])
def test_every_format_is_read(folder, ending):
    Image.new("RGB", (64, 48), (255, 0, 0)).save(folder / f"x.{ending}")
    picture = data.pictures(folder)["own 1"]
    assert picture.shape == (48, 64, 3)
    np.testing.assert_allclose(mean_color(picture), RED, atol=0.02)


def test_pixels_of_an_rgb_file_are_kept(folder):
    noise().save(folder / "x.png")
    np.testing.assert_array_equal(data.pictures(folder)["own 1"], np.float32(noise()) / 255)


def test_only_the_first_eight_pictures_are_read_and_other_files_are_ignored(folder):
    for number in range(8):
        noise().save(folder / f"{number}.png")
    (folder / "9.png").write_bytes(b"damaged")
    (folder / ".0.png").write_bytes(b"hidden")
    (folder / "0.txt").write_text("notes")
    (folder / "0.png.part").write_bytes(b"")
    (folder / "00.png").mkdir()
    (folder / "01.png").symlink_to("01.png")
    os.mkfifo(folder / "02.png")
    assert list(data.pictures(folder)) == [f"own {number}" for number in range(1, 9)]


def test_a_large_picture_is_reduced_without_aliasing(folder):
    checkerboard = np.uint8(np.indices((1536, 600)).sum(0) % 2 * 255)
    Image.fromarray(checkerboard).save(folder / "x.png")
    noise(1200, 1600).save(folder / "y.jpg")
    picture, photograph = data.pictures(folder).values()
    assert picture.shape == (512, 200, 3) and photograph.shape == (384, 512, 3)
    # Taking every third pixel would leave a checkerboard.
    np.testing.assert_allclose(picture[4:-4, 4:-4], 0.5, atol=0.1)


def test_a_picture_is_turned_as_its_exif_data_say(folder):
    upright = Image.new("RGB", (50, 60), "white")
    upright.paste("red", (0, 0, 50, 30))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated by 90° clockwise
    for ending in ("jpg", "png", "tif"):
        upright.transpose(Image.Transpose.ROTATE_90).save(folder / f"x.{ending}", exif=exif)
    for picture in data.pictures(folder).values():
        assert picture.shape == (60, 50, 3)
        np.testing.assert_allclose(mean_color(picture[:25]), RED, atol=0.03)
        np.testing.assert_allclose(mean_color(picture[35:]), WHITE, atol=0.03)


def test_gray_and_16_bit_pixels_are_scaled_to_the_full_range(folder):
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64)
    Image.fromarray(np.uint8(ramp / 257)).save(folder / "8.png")
    Image.fromarray(np.uint16(ramp)).save(folder / "16.png")
    Image.fromarray(np.uint16(ramp)).save(folder / "16.tif")
    Image.fromarray(ramp > 32767).save(folder / "1.png")
    one, sixteen, tiff, eight = data.pictures(folder).values()
    for picture in (sixteen, tiff, eight):
        np.testing.assert_allclose(picture, np.repeat(ramp[..., None] / 65535, 3, axis=2), atol=0.005)
    np.testing.assert_array_equal(one, np.repeat((ramp > 32767)[..., None], 3, axis=2))


def test_transparent_pixels_show_a_white_background(folder):
    half = Image.new("RGBA", (60, 60), (255, 0, 0, 0))
    half.paste((255, 0, 0, 255), (0, 0, 60, 30))
    half.save(folder / "1.png")
    half.save(folder / "2.webp", lossless=True)
    half.convert("P").save(folder / "3.gif", transparency=half.convert("P").getpixel((0, 59)))
    key = Image.new("RGB", (60, 60), (0, 0, 255))
    key.paste("red", (0, 0, 60, 30))
    key.save(folder / "4.png", transparency=(0, 0, 255))
    for picture in data.pictures(folder).values():
        np.testing.assert_allclose(mean_color(picture[:30]), RED, atol=0.01)
        np.testing.assert_allclose(mean_color(picture[30:]), WHITE, atol=0.01)


def test_half_transparent_pixels_are_blended_with_white(folder):
    Image.new("RGBA", (60, 60), (0, 0, 0, 51)).save(folder / "x.png")
    np.testing.assert_allclose(data.pictures(folder)["own 1"], 0.8, atol=0.003)


def test_palettes_and_cmyk_become_rgb(folder):
    Image.new("RGB", (60, 60), (255, 0, 0)).quantize(4).save(folder / "1.png")
    Image.new("CMYK", (60, 60), (0, 255, 255, 0)).save(folder / "2.jpg")
    Image.new("CMYK", (60, 60), (0, 255, 255, 0)).save(folder / "3.tif")
    for picture in data.pictures(folder).values():
        np.testing.assert_allclose(mean_color(picture), RED, atol=0.01)


def profile(color_space):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(color_space)).tobytes()


def test_a_color_profile_is_applied(folder):
    # A profile in which the tags of the red and the blue primary are exchanged.
    exchanged = profile("sRGB").replace(b"rXYZ", b"----").replace(b"bXYZ", b"rXYZ").replace(b"----", b"bXYZ")
    for ending in ("png", "jpg"):
        Image.new("RGB", (60, 60), (0, 0, 255)).save(folder / f"x.{ending}", icc_profile=exchanged)
    for picture in data.pictures(folder).values():
        np.testing.assert_allclose(mean_color(picture), RED, atol=0.02)


@pytest.mark.parametrize("unusable", [profile("LAB"), b"damaged"], ids=["of Lab colors", "damaged"])
def test_a_color_profile_that_cannot_be_used_is_ignored(folder, unusable):
    noise().save(folder / "x.png", icc_profile=unusable)
    np.testing.assert_array_equal(data.pictures(folder)["own 1"], np.float32(noise()) / 255)


@pytest.mark.parametrize("name", ["", " ", "no/such", "~/no such folder"])
def test_a_folder_that_does_not_exist_is_refused(name):
    message = refused(name)
    assert "folder must be" in message and "there is no folder" in message


def test_a_file_instead_of_a_folder_is_refused(folder):
    noise().save(folder / "x.png")
    assert "it is a file" in refused(folder / "x.png")


def test_a_folder_without_pictures_is_refused_with_the_endings_that_are_read(folder):
    (folder / "x.heic").write_bytes(b"x")
    (folder / "sub").mkdir()
    noise().save(folder / "sub" / "x.png")
    message = refused(folder)
    assert str(folder) in message and "no picture" in message and ".webp" in message


def truncated(ending):
    def save(path):
        noise(200, 200).save(path.with_suffix(ending))
        whole = path.with_suffix(ending).read_bytes()
        path.with_suffix(ending).unlink()
        path.write_bytes(whole[: len(whole) // 2])

    return save


UNUSABLE = {
    "empty": (lambda path: path.write_bytes(b""), "not a picture"),
    "a web page": (lambda path: path.write_bytes(b"<!DOCTYPE html>"), "not a picture"),
    "PostScript": (lambda path: Image.new("RGB", (60, 60)).save(path, "EPS"), "not a picture"),
    "half a PNG": (truncated(".png"), "truncated"),
    "half a JPEG": (truncated(".jpg"), "truncated"),
    "20,000x20,000 pixels": (lambda path: path.write_bytes(header_only(20_000, 20_000)), "400000000 pixels"),
    "10,000x10,000 pixels": (lambda path: path.write_bytes(header_only(10_000, 10_000)), "100000000 pixels"),
    "32 bits": (lambda path: Image.new("F", (60, 60)).save(path, "TIFF"), "32-bit"),
    "too small": (lambda path: noise(47, 300).save(path), "at least 48 pixels"),
    "too narrow": (lambda path: noise(60, 5120).save(path), "512x6"),
}


@pytest.mark.parametrize(("save", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_picture_that_cannot_be_used_is_named(folder, save, reason):
    noise().save(folder / "a.png")
    save(folder / "b.png")
    message = refused(folder)
    assert str(folder / "b.png") in message and reason in message


def test_an_unreadable_picture_or_folder_is_refused(folder, monkeypatch):
    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    noise().save(folder / "a.png")
    with monkeypatch.context() as patch:  # not chmod, since root reads every file
        patch.setattr("builtins.open", denied)
        patch.setattr("io.open", denied)
        assert "a.png cannot be used: PermissionError" in refused(folder)
    monkeypatch.setattr("pathlib.Path.iterdir", denied)
    assert "cannot be read: Permission denied" in refused(folder)


# Image sets


def save_colors(folder, count, ending="png"):
    """Save pictures that differ in color; return the red of each, which the loaded images are recognized by."""
    for number in range(count):
        Image.new("RGB", (50, 40), (10 * number, 0, 0)).save(folder / f"{number:02}.{ending}")
    return [10 * number for number in range(count)]


def reds(images):
    """Return the red of every image, sorted."""
    return sorted(itertools.chain(*reds_by_split(images)))


def reds_by_split(images):
    return [[round(float(image[0, 0, 0]) * 255) for image in part] for part in (images.train, images.val, images.test)]


@pytest.mark.parametrize(("count", "expected"), [(3, (1, 1, 1)), (4, (2, 1, 1)), (10, (7, 1, 2)), (25, (18, 2, 5))])
def test_a_folder_is_split_without_losing_or_repeating_an_image(folder, count, expected):
    values = save_colors(folder, count)
    images = data.load(folder)
    assert tuple(map(len, reds_by_split(images))) == expected
    assert reds(images) == values
    for split in ("train", "val", "test"):
        pixels, labels = getattr(images, split), getattr(images, f"{split}_labels")
        assert pixels.shape[1:] == (32, 32, 3) and pixels.dtype == np.float32
        assert labels.shape == (len(pixels),) and labels.dtype == np.int64 and not labels.any()


def test_neither_the_name_nor_the_repr_of_a_set_shows_the_path(folder):
    save_colors(folder, 4)
    images = data.load(str(folder))
    assert images.name == "folder"
    assert repr(images) == "Images(folder: train (2, 32, 32, 3), val (1, 32, 32, 3), test (1, 32, 32, 3))"


def test_the_split_of_a_folder_depends_on_the_seed_and_not_on_the_listing(folder, monkeypatch):
    save_colors(folder, 20)
    first, other = (reds_by_split(data.load(folder, seed=seed)) for seed in (5, 6))
    listed = sorted(folder.iterdir())
    monkeypatch.setattr(type(folder), "iterdir", lambda path: iter(listed[::-1]))
    assert reds_by_split(data.load(folder, seed=5)) == first
    assert all(part != changed for part, changed in zip(first, other, strict=True))


def test_the_square_in_the_center_is_taken(folder):
    for number, size in enumerate([(90, 40), (40, 90), (61, 61)]):
        picture = Image.new("RGB", size, "white")
        side = min(size)
        left, top = (size[0] - side) // 2, (size[1] - side) // 2
        picture.paste((200, 10 * number, 0), (left, top, left + side, top + side))
        picture.save(folder / f"{number}.png")
    images = data.load(folder, size=16)
    for image in (images.train[0], images.val[0], images.test[0]):
        assert image.shape == (16, 16, 3)
        # One pixel more or less would add 0.08 at an edge.
        np.testing.assert_allclose(image[..., 0], 200 / 255, atol=0.02)


def test_images_are_reduced_without_aliasing_and_may_be_enlarged(folder):
    fine = np.indices((640, 640)).sum(0) % 2 * 255
    for number in range(3):
        Image.fromarray(np.uint8(fine * (1 - number / 10))).save(folder / f"{number}.png")
    reduced, enlarged = data.load(folder, size=20), data.load(folder, size=512)
    np.testing.assert_allclose(reduced.train[0, 1:-1, 1:-1], reduced.train.mean(), atol=0.01)
    assert enlarged.train.shape == (1, 512, 512, 3)


def test_gray_images_have_the_weights_of_grayscale(folder):
    for number in range(5):
        noise(32, 32, seed=number).save(folder / f"{number}.png")
    color, gray = data.load(folder), data.load(folder, channels=1)
    assert gray.train.shape == (3, 32, 32, 1)
    for split in ("train", "val", "test"):
        np.testing.assert_allclose(getattr(gray, split), grayscale(getattr(color, split)), atol=1e-6)


def test_labels_are_the_sorted_subfolders_with_pictures(folder):
    for name, red in ("dogs", 200), ("Cats", 100), ("birds", 250):
        (folder / name).mkdir()
        for number in range(4):
            Image.new("RGB", (40, 40), (red, number, 0)).save(folder / name / f"{number}.png")
    (folder / "a: empty").mkdir()
    (folder / ".hidden").mkdir()
    noise().save(folder / ".hidden" / "x.png")
    (folder / "birds" / "deeper").mkdir()
    noise().save(folder / "birds" / "deeper" / "x.png")
    images = data.load(folder)
    values = {"Cats": 100, "birds": 250, "dogs": 200}
    found = set()
    for split in ("train", "val", "test"):
        for image, label in zip(getattr(images, split), getattr(images, f"{split}_labels"), strict=True):
            assert round(float(image[0, 0, 0]) * 255) == list(values.values())[label]
            found.add(image.tobytes())
    assert len(found) == 12


def test_copies_of_a_picture_are_left_out(folder):
    save_colors(folder, 6)
    save_colors(folder, 6, "bmp")  # the same pixels in other files
    for seed in range(5):
        images = data.load(folder, seed=seed)
        assert reds(images) == [0, 10, 20, 30, 40, 50]


def test_links_to_folders_are_not_followed(folder):
    save_colors(folder, 4)
    (folder / "again").symlink_to(folder, target_is_directory=True)
    (folder / "self").symlink_to("self")
    (folder / "x.png").mkdir()
    assert reds(data.load(folder)) == [0, 10, 20, 30]


def test_a_relative_folder_is_found_and_a_set_of_that_name_comes_first(folder, monkeypatch):
    save_colors(folder, 3)
    monkeypatch.chdir(folder.parent)
    assert data.load("holidays").name == data.load("./holidays").name == data.load("holidays/").name == "folder"
    folder.rename("mnist-5k")
    assert data.load("mnist-5k").name == "mnist-5k"
    assert data.load("./mnist-5k").name == "folder"
    monkeypatch.chdir("mnist-5k")
    assert data.load(".").name == "folder"
    monkeypatch.setenv("HOME", str(folder.parent))
    assert data.load("~/mnist-5k").name == "folder"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_folder_with_fewer_than_three_pictures_is_refused(folder, count):
    save_colors(folder, count)
    save_colors(folder, count, "bmp")
    message = refused(folder, data.load)
    assert f"at least 3 different pictures; received {2 * count}, of which {count} differ" in message


def test_pictures_beside_subfolders_with_pictures_are_refused(folder):
    save_colors(folder, 3)
    (folder / "cats").mkdir()
    save_colors(folder / "cats", 3)
    assert "both directly and in subfolders" in refused(folder, data.load)


def test_a_damaged_picture_of_a_set_is_named(folder):
    save_colors(folder, 20)
    truncated(".jpg")(folder / "99.jpg")
    message = refused(folder, data.load)
    assert str(folder / "99.jpg") in message and "truncated" in message


@pytest.mark.parametrize("name", ["no/such", "/no/such", "./mnist"])
def test_a_path_that_does_not_exist_is_refused_as_a_folder(name):
    message = refused(name, data.load)
    assert "there is no folder" in message and repr(name) in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size must be an integer from 1 to 512; received 0"),
        ({"size": 513}, "size must be"),
        ({"size": 32.0}, "size must be"),
        ({"channels": 2}, "channels must be 1 .* or 3 .*; received 2"),
        ({"channels": "RGB"}, "channels must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_invalid_options_of_a_folder_are_refused(folder, options, message):
    save_colors(folder, 3)
    with pytest.raises(ValueError, match=message):
        data.load(folder, **options)


@pytest.mark.parametrize("options", [{"size": 32}, {"channels": 3}, {"size": 28, "channels": 1}])
def test_named_sets_have_their_own_size_and_channels(options):
    with pytest.raises(ValueError, match=r"size and channels must be omitted .* mnist-5k"):
        data.load("mnist-5k", **options)


@pytest.mark.parametrize("function", [data.fetch, data.describe])
@pytest.mark.parametrize("name", [".", "no/such"])
def test_only_named_sets_are_fetched_and_described(function, name):
    with pytest.raises(ValueError, match="name must be one of mnist-5k"):
        function(name)
