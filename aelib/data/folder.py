"""Read the pictures in a folder.

Pillow reads the files. Pictures are turned upright as their EXIF data say and converted to RGB, transparent ones on a
white background. Nothing that is returned contains the name of a file.
"""

import io
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from aelib.data.files import DataError

# Only these, because Pillow would start another program for PostScript, whatever the file's name ends in.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
ENDINGS = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
MAX_PICTURES = 8
LONGEST_SIDE, SHORTEST_SIDE = 512, 48  # of a picture, in pixels


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
    try:
        visible = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error
    # Only regular files, and links to them: opening a pipe would wait forever.
    return [path for path in visible if path.suffix.lower() in ENDINGS and path.is_file()]


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
