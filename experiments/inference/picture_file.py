"""One picture with what its file says beside its pixels: transparency, colour profile, EXIF."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps

from ...datasets.base.errors import DataError, UserError
from ...datasets.loading.decode import read_levels
from .icc import Profile, read_profile

PictureFormat = Literal["png", "jpg", "webp"]
_QUALITY = 95
_ALPHA_MODES = ("LA", "PA", "La", "RGBA", "RGBa")
# description, make, model, resolution, software, date, artist, copyright, and the EXIF and GPS
# parts; the rest of a TIFF's directory says how its pixels are stored, orientation is applied
_KEPT_TAGS = {270, 271, 272, 282, 283, 296, 305, 306, 315, 33432, 34665, 34853}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture as methods see it, and what its result takes over.

    Attributes:
        levels: H x W or H x W x 3, upright; uint8, uint16, or float32 in [0,1].
        deep: whether the file had more than 8 bits a channel.
        alpha: H x W uint8, opaque at 255; ``None`` for none.
        icc: the colour profile that ``levels`` were converted from, and results are put back into;
            ``None`` for sRGB, gray and CMYK.
        exif: EXIF without orientation; empty for none.
    """

    levels: np.ndarray
    deep: bool = False
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    exif: bytes = b""


def read_picture(path: Path, managed: bool = True) -> Picture:
    """A picture file at its own depth, upright.

    Args:
        path: any file that ``datasets.loading.decode`` reads.
        managed: convert from the embedded ICC profile to sRGB; NIR levels are not colours and
            stay as they are.

    Raises:
        DataError: as ``decode.read_rgb``.
    """
    levels = read_levels(path)
    try:
        with Image.open(path) as image:
            return _completed(image, levels, managed)
    except (OSError, SyntaxError, ValueError):  # a kind that only OpenCV knows, such as float RGB
        return Picture(levels=levels, deep=levels.dtype != np.uint8)


def from_pil(image: Image.Image, managed: bool = True) -> Picture:
    """The same of an image of Pillow, of any mode; 16-bit and float gray keep their depth.

    Raises:
        DataError: levels of mode I or F out of range.
    """
    upright = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        levels = np.asarray(upright).astype(np.uint16)
    elif image.mode in ("I", "F"):
        levels = _wide_levels(np.asarray(upright))
    else:
        gray = image.mode in ("1", "L", "LA", "La")
        levels = np.array(upright.convert("L" if gray else "RGB"))
    return _completed(image, levels, managed)


def encode(picture: Picture, rgb: np.ndarray, format: PictureFormat = "png") -> bytes:
    """The bytes of a result's file, with all of its picture's that the format can hold.

    PNG holds everything: 16 bits where the picture had them, alpha, profile, EXIF. WebP has 8
    bits, JPEG 8 bits and no alpha.

    Args:
        picture: what was coloured.
        rgb: H x W x 3 sRGB of its size; uint8, uint16, or float32 in [0,1].
        format: of the file.
    """
    rgb = _in_profile(rgb, picture.icc)
    if format == "png" and picture.deep:
        return _deep_png(quantised(rgb, np.dtype(np.uint16)), picture)
    image = Image.fromarray(quantised(rgb, np.dtype(np.uint8)))
    if picture.alpha is not None and format != "jpg":
        image.putalpha(Image.fromarray(picture.alpha))
    options: dict[str, Any] = {"exif": picture.exif} if picture.exif else {}
    if picture.icc is not None:
        options["icc_profile"] = picture.icc
    if format != "png":
        options["quality"] = _QUALITY
    file = io.BytesIO()
    try:
        image.save(file, format={"jpg": "JPEG"}.get(format, format.upper()), **options)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be a {format} file: {error}; take png") from error
    return file.getvalue()


def to_pil(picture: Picture, rgb: np.ndarray) -> Image.Image:
    """A result as an 8-bit image of Pillow, RGB or RGBA, in its picture's profile."""
    image = Image.fromarray(quantised(_in_profile(rgb, picture.icc), np.dtype(np.uint8)))
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    if picture.icc is not None:
        image.info["icc_profile"] = picture.icc
    return image


def quantised(levels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Levels as another of uint8, uint16 and float32 in [0,1], rounded to the nearest."""
    if levels.dtype == dtype:
        return levels
    scale = {"u1": 255, "u2": 65535}
    unit = levels.astype(np.float32) / scale.get(levels.dtype.str[1:], 1)
    if dtype.kind == "f":
        return unit
    return np.rint(unit * scale[dtype.str[1:]]).astype(dtype)


def _completed(image: Image.Image, levels: np.ndarray, managed: bool) -> Picture:
    icc = image.info.get("icc_profile") if managed else None
    deep = levels.dtype != np.uint8
    profile = read_profile(icc) if icc else None
    kept = icc if profile and len(profile.curves) == 3 else None
    if profile:
        levels = _from_profile(profile, levels)
    elif icc:
        levels = _from_tables(image, icc, levels)
    return Picture(levels=levels, deep=deep, alpha=_alpha(image), icc=kept, exif=_exif(image))


def _from_profile(profile: Profile, levels: np.ndarray) -> np.ndarray:
    gray = len(profile.curves) == 1
    if profile.is_srgb or gray != (levels.ndim == 2):
        return levels  # a profile of another kind than the picture is a mistake of its writer
    return profile.to_srgb(levels)


def _from_tables(image: Image.Image, icc: bytes, levels: np.ndarray) -> np.ndarray:
    """Colours by a profile of tables, at 8 bits; as they are where it is damaged."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode not in ("RGB", "L", "CMYK"):
        return levels
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(upright, profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return levels
    return levels if converted is None else np.array(converted)


def _in_profile(rgb: np.ndarray, icc: bytes | None) -> np.ndarray:
    profile = read_profile(icc) if icc else None
    if profile is None or profile.is_srgb:
        return rgb
    return profile.from_srgb(quantised(rgb, np.dtype(np.float32)))


def _alpha(image: Image.Image) -> np.ndarray | None:
    if image.mode not in _ALPHA_MODES and "transparency" not in image.info:
        return None
    return np.array(ImageOps.exif_transpose(image).convert("RGBA").getchannel("A"))


def _exif(image: Image.Image) -> bytes:
    try:
        exif = image.getexif()
        for tag in set(exif) - _KEPT_TAGS:
            del exif[tag]
        return exif.tobytes() if len(exif) else b""
    except (OSError, ValueError, KeyError, TypeError, SyntaxError, struct.error):
        return b""  # damaged EXIF is no reason to lose the picture


def _wide_levels(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    top = 1 if values.dtype.kind == "f" else 65535
    if not (low >= 0 and high <= top):
        raise DataError(f"the image has levels in [{low:g}, {high:g}]; scale them to [0, {top}]")
    return values.astype(np.float32 if top == 1 else np.uint16)


def _deep_png(rgb: np.ndarray, picture: Picture) -> bytes:
    """A 16-bit PNG, which Pillow cannot write in colour; metadata goes behind its header."""
    pixels = rgb[..., ::-1]
    if picture.alpha is not None:
        pixels = np.dstack([pixels, picture.alpha.astype(np.uint16) * 257])
    done, encoded = cv2.imencode(".png", np.ascontiguousarray(pixels))
    if not done:
        raise UserError("the picture cannot be written as a 16-bit PNG")
    data = encoded.tobytes()
    chunks = b""
    if picture.icc is not None:
        chunks += _chunk(b"iCCP", b"icc\0\0" + zlib.compress(picture.icc))
    if picture.exif:
        chunks += _chunk(b"eXIf", picture.exif.removeprefix(b"Exif\0\0"))
    header = 8 + 4 + 4 + 13 + 4
    return data[:header] + chunks + data[header:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
