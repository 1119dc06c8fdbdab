"""Read the pictures in a folder: whole ones, or a set of small square images in three splits.

Pillow reads the files. Pictures are turned upright as their EXIF data say and converted to RGB, transparent ones on a
white background. Nothing that is returned contains the name of a file.
"""

import io
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from aelib import _validation
from aelib.data.files import DataError

# Only these, because Pillow would start another program for PostScript, whatever the file's name ends in.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
ENDINGS = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
MAX_PICTURES = 8
LONGEST_SIDE, SHORTEST_SIDE = 512, 48  # of a whole picture, in pixels
SIZE, CHANNELS = 32, 3  # of the images of a set, if nothing else is asked for
TEST_SHARE, VAL_SHARE = 0.2, 0.1


def own_pictures(folder: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Return the first pictures in a folder, as described in `aelib.data.pictures`."""
    path = existing_folder(folder)
    own = {}
    for number, file in enumerate(picture_files(path)[:MAX_PICTURES], start=1):
        picture = read_picture(file, LONGEST_SIDE)
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
        if min(picture.size) < SHORTEST_SIDE:
            limits = f"each side must be at least {SHORTEST_SIDE} pixels, with the longest reduced to {LONGEST_SIDE}"
            raise DataError(f"{file} is too small or too narrow: {limits}; received {picture.width}x{picture.height}")
        own[f"own {number}"] = np.divide(np.asarray(picture), 255, dtype=np.float32)
    if not own:
        raise DataError(f"{path} contains no picture: put files there whose names end in {', '.join(ENDINGS)}")
    return own


def split_images(
    folder: str | os.PathLike[str], seed: int, size: int | None, channels: int | None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return images and labels for every split, as described in `aelib.data.load`."""
    size = SIZE if size is None else _validation.integer(size, "size", maximum=LONGEST_SIDE)
    channels = CHANNELS if channels is None else _validation.integer(channels, "channels")
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (gray) or 3 (RGB); received {channels}")
    path = existing_folder(folder)
    found: dict[bytes, tuple[np.ndarray, int]] = {}
    count = 0
    for label, files in enumerate(_classes(path)):
        for file in files:
            square = ImageOps.fit(read_picture(file, size), (size, size), Image.Resampling.LANCZOS)
            # One of each, because a copy of a training image in the test set would be a leak.
            found.setdefault(square.tobytes(), (np.asarray(square), label))
            count += 1
    if len(found) < 3:
        received = f"received {count}, of which {len(found)} differ"
        raise DataError(f"{path} must contain at least 3 different pictures; {received}")
    images = np.divide([image for image, _ in found.values()], 255, dtype=np.float32)
    labels = np.array([label for _, label in found.values()])
    if channels == 1:
        from aelib.corruption import grayscale

        images = grayscale(images)
    test, val = (max(1, round(share * len(images))) for share in (TEST_SHARE, VAL_SHARE))
    parts = np.split(np.random.default_rng(seed).permutation(len(images)), [test, test + val])
    return {split: (images[part], labels[part]) for split, part in zip(("test", "val", "train"), parts, strict=True)}


def _classes(folder):
    """Return the pictures of every subfolder that has some, or a single list of those in the folder itself."""
    direct = picture_files(folder)
    # Links are not followed: one could lead back to this folder.
    subfolders = [path for path in _visible(folder) if path.is_dir() and not path.is_symlink()]
    classes = [files for files in map(picture_files, subfolders) if files]
    if direct and classes:
        remedy = "move the pictures into subfolders, one for each class, or the subfolders elsewhere"
        raise DataError(f"{folder} contains pictures both directly and in subfolders: {remedy}")
    return classes or [direct]


def existing_folder(folder: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a folder, with ~ expanded, after checking that there is one."""
    text = os.fspath(folder)
    path = Path(os.path.abspath(os.path.expanduser(text)))
    if not text.strip() or not path.is_dir():
        problem = "it is a file" if path.is_file() else f"there is no folder {str(path)!r}"
        raise DataError(f"folder must be the path of a folder of pictures; received {text!r}: {problem}")
    return path


def picture_files(folder: Path) -> list[Path]:
    """Return the paths of the pictures directly in a folder, sorted by name; hidden and other files are left out."""
    # Only regular files, and links to them: opening a pipe would wait forever.
    return [path for path in _visible(folder) if path.suffix.lower() in ENDINGS and path.is_file()]


def _visible(folder):
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error


def read_picture(file: Path, size: int) -> Image.Image:
    """Return the picture in a file: upright, 8-bit RGB, and possibly reduced, but not below 2 * `size` pixels a side.

    Raises:
        DataError: the file cannot be read, is damaged, or has so many pixels that it could fill the memory.
    """
    try:
        with warnings.catch_warnings():
            # Pillow only warns of such a picture up to twice its limit.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(file, formats=FORMATS)
        with picture:
            picture.draft(None, (2 * size, 2 * size))  # a JPEG is reduced while it is decoded, which is faster
            ImageOps.exif_transpose(picture, in_place=True)
            return _rgb(picture)
    # Damage can raise almost any exception.
    except Exception as error:
        unknown = isinstance(error, Image.UnidentifiedImageError)
        reason = "it is damaged, or not a picture" if unknown else f"{type(error).__name__}: {error}"
        remedy = "move it away, or save the picture again, smaller or as a PNG file"
        raise DataError(f"{file} cannot be used: {reason}; {remedy}") from error


def _rgb(picture):
    """Return a picture of any mode in 8-bit RGB."""
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith("I;16"):  # Pillow would clip the values instead of scaling them
        picture = Image.fromarray(np.rint(np.asarray(picture) / 257).astype(np.uint8))
    elif picture.mode in ("I", "F"):
        raise ValueError(f"its pixels are 32-bit numbers (mode {picture.mode}), whose range is unknown")
    if picture.has_transparency_data:
        opaque = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")
    if profile and picture.mode in ("RGB", "CMYK"):
        # Without its profile, a CMYK picture has garish colors. Some profiles are damaged or do not fit the picture.
        try:
            profile, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(picture, profile, srgb, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass
    return picture.convert("RGB")
