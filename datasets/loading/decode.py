"""Image files -> uint8 planes; whatever cannot be decoded completely is an error, never a guess.

8-bit JPEG goes through OpenCV, TIFF and 16-bit PNG too (Pillow drops the low byte of 16-bit RGB
and knows no float RGB); everything else through Pillow. EXIF orientation is applied. Alpha is
dropped: the stored colours stay, nothing is composited. 16-bit levels become round(x / 257), float
levels (which must lie in [0,1]) round(255 x).
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

from ..base.errors import DataError

DECODE_VERSION = 2  # raised whenever the same file decodes to other pixels; caches hold it
MAX_PIXELS = 178_956_970  # where Pillow refuses too; a larger picture is an attack or a mosaic
MIN_SIDE = 8  # below it neither SSIM's 7 x 7 window nor any network has something to see

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG = b"\x89PNG\r\n\x1a\n"
_END = b"\xff\xd9"


def read_rgb(path: Path | str) -> np.ndarray:
    """An image file as H x W x 3 uint8 sRGB; one-channel pictures as R = G = B.

    Raises:
        DataError: when the file is missing, empty, truncated, no image, not finite, smaller than
            8 x 8 or larger than 179 million pixels; the text names it.
    """
    path = Path(path)
    image = _to_uint8(_decode(path), path)
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    return image


def read_plane(path: Path | str) -> np.ndarray:
    """An image file as one H x W uint8 plane, such as NIR.

    Three equal channels give the first of them, three unequal ones their rounded mean. Levels are
    as stored: no colour curve is undone. Raises as ``read_rgb``.
    """
    path = Path(path)
    image = _to_uint8(_decode(path), path)
    if image.ndim == 2:
        return image
    first = image[..., 0]
    if (image == first[..., None]).all():
        return np.ascontiguousarray(first)
    return np.rint(image.mean(axis=2)).astype(np.uint8)


def read_levels(path: Path | str) -> np.ndarray:
    """An image file at its own depth: H x W or H x W x 3, upright, without alpha.

    Levels are as stored: uint8, uint16, or float32 in [0,1]. Raises as ``read_rgb``.
    """
    path = Path(path)
    image = _checked(_decode(path), path)
    return image.astype(np.float32) if image.dtype.kind == "f" else image


def read_size(path: Path | str) -> tuple[int, int]:
    """(height, width) after EXIF orientation, from the header alone but for TIFF.

    Raises:
        DataError: as ``read_rgb``, but pixels that are missing or broken go unnoticed.
    """
    path = Path(path)
    header = _header(path)
    if header is None:
        height, width = _decode(path).shape[:2]
        return height, width
    height, width, orientation = header
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width)


def _decode(path: Path) -> np.ndarray:
    data = _read(path)
    if data.startswith(b"\xff\xd8"):
        return _decode_jpeg(data, path)
    _header(path)
    deep_png = data.startswith(_PNG) and data[24:25] == b"\x10"
    # OpenCV multiplies the colours of a TIFF by its alpha
    if deep_png or (data.startswith(_TIFF) and not _has_alpha(path)):
        image = _decode_opencv(data, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR, path)
        _check_size(image.shape[0], image.shape[1], path)
        return image
    return _decode_pillow(path)


def _header(path: Path) -> tuple[int, int, int] | None:
    """Stored (height, width), checked, and EXIF orientation; None for TIFF."""
    try:
        with Image.open(path) as image:
            _check_size(image.height, image.width, path)
            if image.format == "TIFF":  # some versions of Pillow turn its size, some do not
                return None
            return image.height, image.width, image.getexif().get(0x0112, 1)
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        if _read(path).startswith(_TIFF):  # float RGB, for one
            return None
        raise _broken(path, "no known image format, or a damaged header") from error


def _has_alpha(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return image.mode in ("LA", "PA", "RGBA")
    except OSError:  # a kind of TIFF that Pillow does not know
        return False


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is missing; restore it or take it off the list") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if not data:
        raise DataError(f"{path} is empty (0 bytes); copy or download it again")
    return data


def _decode_jpeg(data: bytes, path: Path) -> np.ndarray:
    """OpenCV only warns about a JPEG that ends early and fills the rest with gray."""
    scan, frame = _jpeg_header(data)
    # within the scans FFD9 cannot occur but as the end; before them a thumbnail may have its own
    end = data.rfind(_END)
    if scan < 0 or end < scan:
        raise _truncated(path)
    height, width = struct.unpack(">HH", data[frame + 5 : frame + 9])
    if height:  # 0 when a later marker tells it
        _check_size(height, width, path)
    image = _decode_opencv(data, cv2.IMREAD_COLOR, path)
    _check_size(image.shape[0], image.shape[1], path)
    if _corner_is_gray(image):
        progressive = data[frame + 1] == 0xC2
        # the gray of a progressive picture comes from a first scan that ends early
        whole = b"\xff\xda" in data[scan + 2 : end] if progressive else _is_whole(data[:end])
        if not whole:
            raise _truncated(path)
    return image


def _jpeg_header(data: bytes) -> tuple[int, int]:
    """Where the first scan's and the frame's marker are; (-1, -1) when the header ends early."""
    position, frame = 2, -1
    while position + 9 < len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        if marker == 0xFF:  # padding
            position += 1
            continue
        if marker == 0xDA:
            return (position, frame) if frame >= 0 else (-1, -1)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = position
        position += 2 + length
    return -1, -1


def _corner_is_gray(image: np.ndarray) -> bool:
    """Whether any corner ends in 8 pixels of 128, as blocks do that were never decoded."""
    # any corner: EXIF orientation moves the last block
    return any(
        bool((image[row, columns] == 128).all())
        for row in (0, -1)
        for columns in (slice(None, 8), slice(-8, None))
    )


def _is_whole(data: bytes) -> bool:
    """Whether a baseline JPEG without its end marker holds every block; as slow as a decoding.

    Stuffed ones in place of the end marker pad the last byte of a whole picture. To a picture
    that lacks blocks they are a few more codes, and then Pillow finds the data to end too early.
    """
    try:
        with Image.open(io.BytesIO(data + b"\xff\x00" * 16)) as image:
            image.load()
    except OSError:
        return False
    return True


def _decode_opencv(data: bytes, flags: int, path: Path) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise _broken(path, error.err) from error
    if image is None:
        raise _broken(path, "truncated or damaged")
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def _decode_pillow(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            mode = image.mode
            if not mode.startswith(("I", "F")):
                upright = ImageOps.exif_transpose(image)
                return np.array(upright.convert("L" if mode in ("1", "L", "LA") else "RGB"))
    except Exception as error:
        raise _broken(path, str(error)) from error
    raise DataError(f"{path} has levels of more than 8 bits; save it as PNG or TIFF")


def _to_uint8(image: np.ndarray, path: Path) -> np.ndarray:
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.rint(_checked(image, path) * 255).astype(np.uint8)


def _checked(image: np.ndarray, path: Path) -> np.ndarray:
    if image.dtype in (np.uint8, np.uint16):
        return image
    if image.dtype.kind != "f":
        raise DataError(f"{path} has {image.dtype} levels; save it with 8, 16 or float ones")
    if not np.isfinite(image).all():
        raise DataError(f"{path} holds NaN or infinite levels; repair it or take it off the list")
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        raise DataError(f"{path} has float levels in [{low:g}, {high:g}]; scale them to [0, 1]")
    return image


def _check_size(height: int, width: int, path: Path) -> None:
    if min(height, width) < MIN_SIDE:
        raise DataError(
            f"{path} is {width}x{height} pixels; each side must have {MIN_SIDE} or more: take it "
            "off the list"
        )
    if height * width > MAX_PIXELS:
        raise _too_large(path)


def _too_large(path: Path) -> DataError:
    return DataError(f"{path} has more than {MAX_PIXELS / 1e6:.0f} million pixels; make it smaller")


def _truncated(path: Path) -> DataError:
    return DataError(f"{path} is truncated: its pixels end early; copy or download it again")


def _broken(path: Path, reason: Any) -> DataError:
    return DataError(f"cannot decode {path}: {reason}; copy it again or take it off the list")
