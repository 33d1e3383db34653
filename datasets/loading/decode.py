"""Image files -> uint8 planes; whatever cannot be decoded completely is an error, never a guess.

The first bytes say which reader a file gets (``open_picture``): OpenCV decodes JPEG, tifffile TIFF,
Pillow all others but those of more than 8 bits. What levels are is read from the file's tags, not
left to a decoder. EXIF orientation is applied. Alpha is dropped: the stored colours stay, nothing
is composited. Colours become sRGB by the file's profile (ICC; PNG's cICP, gAMA and cHRM). 16-bit
levels become round(x / 257), float levels (which must lie in [0,1]) round(255 x).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..base.errors import DataError, UserError
from .icc import managed
from .jpeg_file import JpegFile
from .metadata import exif_of
from .netpbm_file import NetpbmFile
from .pillow_file import PillowFile
from .png_file import SIGNATURE as PNG
from .png_file import PngFile
from .raster import PictureFile
from .tar_files import open_file, read_file
from .tiff_file import SIGNATURES as TIFF
from .tiff_file import TiffFile, header_of_tiff

DECODE_VERSION = 3  # raised whenever the same file decodes to other pixels; caches hold it
MAX_PIXELS = 178_956_970  # where Pillow refuses too; a larger picture is an attack or a mosaic
MIN_SIDE = 8  # below it neither SSIM's 7 x 7 window nor any network has something to see
_BITS = (8, 10, 12, 14)  # of cameras whose levels lie in 16 unscaled


class NotedPlane(NamedTuple):
    """A decoded picture, and what of its file is not in it, in words."""

    levels: np.ndarray
    notes: tuple[str, ...]


def read_rgb(path: Path | str, white_level: int | None = None) -> np.ndarray:
    """An image file as H x W x 3 uint8 sRGB; one-channel pictures as R = G = B.

    Of several pages or moments the first counts.

    Args:
        path: the file.
        white_level: of 16-bit pictures the level that is white, 65535 by default; cameras of 12
            bits write 0 to 4095 into 16.

    Raises:
        DataError: when the file is missing, empty, truncated, no image, not finite, smaller than
            8 x 8 or larger than 179 million pixels; the text names it.
    """
    return noted_rgb(path, white_level).levels


def read_plane(path: Path | str, white_level: int | None = None) -> np.ndarray:
    """An image file as one H x W uint8 plane, such as NIR.

    Three equal channels give the first of them, three unequal ones their rounded mean. Levels are
    as stored: no colour curve is undone. Arguments and errors are those of ``read_rgb``.
    """
    return noted_plane(path, white_level).levels


def noted_rgb(path: Path | str, white_level: int | None = None) -> NotedPlane:
    """As ``read_rgb``, with what of the file is left out."""
    image, notes = _first(path, white_level, colors=True)
    image = _to_uint8(image)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    return NotedPlane(image, notes)


def noted_plane(path: Path | str, white_level: int | None = None) -> NotedPlane:
    """As ``read_plane``, with what of the file is left out."""
    image, notes = _first(path, white_level, colors=False)
    image = _to_uint8(image)
    if image.ndim == 2:
        return NotedPlane(image, notes)
    first = image[..., 0]
    if (image == first[..., None]).all():
        return NotedPlane(np.ascontiguousarray(first), notes)
    return NotedPlane(np.rint(image.mean(axis=2)).astype(np.uint8), notes)


def read_size(path: Path | str) -> tuple[int, int]:
    """(height, width) after EXIF orientation, from the header alone.

    Raises:
        DataError: as ``read_rgb``, but pixels that are missing or broken go unnoticed.
    """
    path = Path(path)
    try:
        with open_file(path) as stream, Image.open(stream) as image:
            pages = image.format == "TIFF"  # some versions of Pillow turn its size, some do not
            header = image.height, image.width, exif_of(image).get(0x0112, 1)
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except Exception:  # a broken file makes Pillow raise nearly anything, and some it does not know
        file = open_picture(path)
        header = *(file.stored_size or next(file.rasters()).levels.shape[:2]), file.orientation
    else:
        header = header_of_tiff(path) if pages else header
    height, width, orientation = header
    check_size(height, width, path)
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width)


def open_picture(path: Path | str) -> PictureFile:
    """An image file by its first bytes, its size checked and its pixels not decoded yet.

    Raises:
        DataError: as ``read_rgb``, but pixels that are missing or broken go unnoticed.
    """
    path = Path(path)
    data = _read(path)
    try:
        file = _reader(data)(path, data)
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    if size := file.stored_size:
        check_size(*size, path)
    if file.most_pixels > MAX_PIXELS:
        raise _too_large(path)
    return file


def checked_levels(levels: np.ndarray, path: Path, white_level: int | None = None) -> np.ndarray:
    """Levels of a raster as uint8, uint16 or float32 in [0,1].

    Raises:
        DataError: others, or a size out of bounds.
    """
    check_size(levels.shape[0], levels.shape[1], path)
    if levels.dtype == np.uint16 and white_level is not None:
        scaled = levels.astype(np.float32) * (65535 / white_level)
        return np.rint(np.minimum(scaled, 65535)).astype(np.uint16)
    if levels.dtype in (np.uint8, np.uint16):
        return levels
    if levels.dtype.kind != "f":
        raise DataError(f"{path} has {levels.dtype} levels; save it with 8, 16 or float ones")
    if not np.isfinite(levels).all():
        raise DataError(f"{path} holds NaN or infinite levels; repair it or take it off the list")
    low, high = float(levels.min()), float(levels.max())
    if low < 0 or high > 1:
        raise DataError(f"{path} has float levels in [{low:g}, {high:g}]; scale them to [0, 1]")
    return levels.astype(np.float32)


def parse_white_level(value: int | None) -> int | None:
    """The ``white_level`` of ``read_rgb``: a level, or 10 to 16 for the number of bits.

    Raises:
        UserError: neither.
    """
    if value is None or 255 <= value <= 65535:
        return value
    if 10 <= value <= 16:
        return 2**value - 1
    raise UserError(f"white level {value}: must be a level, 255 to 65535, or 10 to 16 bits")


def unused_bits(levels: np.ndarray) -> str:
    """What 16-bit levels that stay within 8 to 14 bits may mean; empty for others."""
    if levels.dtype != np.uint16:
        return ""
    top = int(levels.max())
    bits = next((bits for bits in _BITS if top < 2**bits), None)
    if bits is None or not top:
        return ""
    return (
        f"no level above {2**bits - 1} of 65535: where {bits} bits lie in its 16, "
        f"a white level of {2**bits - 1} makes them bright"
    )


def frames_note(file: PictureFile) -> str:
    """What is left out when only the first picture of a file counts; empty where it has one."""
    if file.count < 2:
        return ""
    return f"first of {file.count} {'frames' if file.animation else 'pages'}"


def check_size(height: int, width: int, path: Path) -> None:
    """Refuse a picture by its size.

    Raises:
        DataError: too small or too large.
    """
    if min(height, width) < MIN_SIDE:
        raise DataError(
            f"{path} is {width}x{height} pixels; each side must have {MIN_SIDE} or more: take it "
            "off the list"
        )
    if height * width > MAX_PIXELS:
        raise _too_large(path)


def _first(
    path: Path | str, white_level: int | None, colors: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    file = open_picture(path)
    raster = next(file.rasters())
    levels = checked_levels(raster.levels, file.path, white_level)
    notes = [frames_note(file), *file.notes]
    if white_level is None:
        notes.append(unused_bits(levels))
    if colors:
        levels = managed(levels, file.profile(), file.icc, raster.ink)
    return levels, tuple(note for note in notes if note)


def _reader(data: bytes) -> Callable[[Path, bytes], PictureFile]:
    if data.startswith(b"\xff\xd8"):
        return JpegFile
    if data.startswith(PNG):
        return PngFile
    if data.startswith(TIFF):
        return TiffFile
    return NetpbmFile if NetpbmFile.fits(data) else PillowFile


def _read(path: Path) -> bytes:
    try:
        data = read_file(path)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; restore it or take it off the list") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if not data:
        raise DataError(f"{path} is empty (0 bytes); copy or download it again")
    return data


def _to_uint8(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.rint(image * 255).astype(np.uint8)


def _too_large(path: Path) -> DataError:
    return DataError(f"{path} has more than {MAX_PIXELS / 1e6:.0f} million pixels; make it smaller")
