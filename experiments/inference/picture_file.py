"""One picture with what its file says beside its pixels: transparency, profile, EXIF, XMP, text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image

from ...datasets.base.errors import DataError, UserError
from ...datasets.loading.decode import checked_levels, frames_note, open_picture, unused_bits
from ...datasets.loading.icc import managed as managed_levels
from ...datasets.loading.icc import read_profile
from ...datasets.loading.metadata import RESOLUTION_TAGS, exif_of, metadata_of_image
from ...datasets.loading.pillow_file import raster_of
from ...datasets.loading.raster import PictureFile, Raster
from .png_chunks import with_chunks

PictureFormat = Literal["png", "jpg", "webp", "gif", "tif"]
_QUALITY = 95
_PILLOW_NAMES = {"jpg": "JPEG", "webp": "WEBP", "gif": "GIF", "png": "PNG"}
_JPEG_SEGMENT = 65_000  # bytes that EXIF and XMP may have
_INCH = 2
_MEMORY = "the image"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture as methods see it, and what its result takes over.

    Attributes:
        levels: H x W or H x W x 3, upright; uint8, uint16, or float32 in [0,1].
        deep: whether the file had more than 8 bits a channel.
        alpha: H x W uint8 or uint16, opaque at the top; ``None`` for none.
        icc: the colour profile that ``levels`` were converted from, and results are put back into;
            ``None`` for sRGB, gray and CMYK.
        exif: EXIF without orientation; empty for none.
        xmp: the XMP packet, upright.
        dpi: pixels an inch, across and down.
        text: PNG chunks of text, name and content.
        lost: what else the file says, which no result keeps, in words.
        notes: what of the file ``levels`` leave out, in words.
    """

    levels: np.ndarray
    deep: bool = False
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[bytes, bytes], ...] = ()
    lost: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_picture(path: Path, managed: bool = True, white_level: int | None = None) -> Picture:
    """A picture file at its own depth, upright; the first where it holds several.

    Args:
        path: any file that ``datasets.loading.decode`` reads.
        managed: convert from the file's colours to sRGB; NIR levels are not colours and stay as
            they are.
        white_level: see ``decode.read_rgb``.

    Raises:
        DataError: as ``decode.read_rgb``.
    """
    file = open_picture(path)
    picture = next(read_pictures(file, managed, white_level))
    note = frames_note(file)
    return replace(picture, notes=(note, *picture.notes)) if note else picture


def read_pictures(
    file: PictureFile, managed: bool = True, white_level: int | None = None
) -> Iterator[Picture]:
    """All pictures of an open file, pages or frames, one at a time; see ``read_picture``."""
    metadata = vars(file.metadata())
    for raster in file.rasters():
        levels = checked_levels(raster.levels, file.path, white_level)
        unused = unused_bits(levels) if white_level is None else ""
        picture = _picture(file, replace(raster, levels=levels), managed)
        notes = (*file.notes, unused) if unused else tuple(file.notes)
        yield replace(picture, notes=notes, **metadata)


def from_pil(image: Image.Image, managed: bool = True) -> Picture:
    """The same of an image of Pillow, of any mode; 16-bit and float gray keep their depth.

    Raises:
        DataError: levels of mode I or F out of range.
    """
    levels = image
    if image.mode == "I":  # whole numbers without a range: those of 16 bits are known
        values = np.asarray(image)
        low, high = int(values.min()), int(values.max())
        if not 0 <= low <= high <= 65535:
            raise DataError(f"the image has levels in [{low}, {high}]; scale them to [0, 65535]")
        levels = Image.fromarray(values.astype(np.uint16))
    orientation = exif_of(image).get(0x0112, 1)
    raster = raster_of(levels, orientation, _MEMORY)
    file = _Opened(Path(_MEMORY), image.info.get("icc_profile") or None)
    checked = checked_levels(raster.levels, file.path)
    picture = _picture(file, replace(raster, levels=checked), managed)
    return replace(picture, **vars(metadata_of_image(image)))


def encode(picture: Picture, rgb: np.ndarray, format: PictureFormat = "png") -> bytes:
    """The bytes of a result's file, with all of its picture's that the format can hold.

    PNG and TIFF hold everything: 16 bits where the picture had them, alpha, profile, resolution,
    XMP; PNG text and EXIF too. WebP has 8 bits, JPEG 8 bits and no alpha, GIF 256 colours.

    Args:
        picture: what was coloured.
        rgb: H x W x 3 sRGB of its size; uint8, uint16, or float32 in [0,1].
        format: of the file.
    """
    if format == "tif":
        from .picture_sequence import encode_pages

        return encode_pages([(picture, rgb)])
    rgb = rgb if format == "gif" else in_profile(rgb, picture.icc)
    if format == "png" and picture.deep:
        return with_chunks(_deep_png(rgb, picture.alpha), picture)
    image = _image(rgb, picture.alpha if format != "jpg" else None)
    file = io.BytesIO()
    try:
        options = {} if format == "png" else saving_options(picture, format)
        image.save(file, format=_PILLOW_NAMES[format], **options)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be a {format} file: {error}; take png") from error
    data = file.getvalue()
    return with_chunks(data, picture) if format == "png" else data


def left_out(picture: Picture, format: PictureFormat) -> list[str]:
    """What of a picture's file a result of this format does not keep, in words."""
    absent = list(picture.lost)
    if picture.deep and format in ("jpg", "webp", "gif"):
        absent.append("16 bits")
    if picture.alpha is not None and format == "jpg":
        absent.append("transparency")
    comments = [chunk for chunk in picture.text if _is_comment(chunk)]
    kept = {"png": len(picture.text), "jpg": len(comments)}.get(format, 0)
    if kept < len(picture.text):
        absent.append("text")
    if format in ("gif", "tif") and not _is_resolution(picture.exif):
        absent.append("EXIF")
    if picture.xmp and (format == "gif" or (format == "jpg" and not _fits(picture.xmp))):
        absent.append("XMP")
    if picture.dpi and format == "gif":
        absent.append("resolution")
    return absent


def to_pil(picture: Picture, rgb: np.ndarray) -> Image.Image:
    """A result as an 8-bit image of Pillow, RGB or RGBA, in its picture's profile."""
    image = _image(in_profile(rgb, picture.icc), picture.alpha)
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


def in_profile(rgb: np.ndarray, icc: bytes | None) -> np.ndarray:
    """sRGB levels as those of a profile of a matrix and curves; as they are without one."""
    profile = read_profile(icc) if icc else None
    if profile is None or profile.is_srgb:
        return rgb
    return profile.from_srgb(quantised(rgb, np.dtype(np.float32)))


def saving_options(picture: Picture, format: PictureFormat) -> dict[str, Any]:
    """What Pillow is given to write a JPEG, WebP or GIF with."""
    options: dict[str, Any] = {} if format == "gif" else {"quality": _QUALITY}
    if format == "gif":
        return options
    exif = picture.exif
    if format == "jpg" and picture.dpi:
        options["dpi"] = tuple(max(1, round(side)) for side in picture.dpi)
    elif format == "webp" and picture.dpi:  # which has no place of its own for it
        exif = _with_resolution(exif, picture.dpi)
    if exif:
        options["exif"] = exif
    if picture.xmp and (format != "jpg" or _fits(picture.xmp)):
        options["xmp"] = picture.xmp
    if format == "jpg":
        comments = [content for name, content in picture.text if _is_comment((name, content))]
        options |= {"comment": comments[0].partition(b"\0")[2]} if comments else {}
    if picture.icc is not None:
        options["icc_profile"] = picture.icc
    return options


def _picture(file: Any, raster: Raster, managed: bool) -> Picture:
    levels, deep = raster.levels, raster.levels.dtype != np.uint8
    kept = None
    if managed:
        profile = file.profile()
        levels = managed_levels(levels, profile, file.icc, raster.ink)
        kept = file.icc if profile and len(profile.curves) == 3 else None
    return Picture(levels=levels, deep=deep, alpha=raster.alpha, icc=kept)


@dataclass(frozen=True)
class _Opened:
    """What ``_picture`` asks of a file, of an image that is open already."""

    path: Path
    icc: bytes | None

    def profile(self) -> Any:
        return read_profile(self.icc) if self.icc else None


def _image(rgb: np.ndarray, alpha: np.ndarray | None) -> Image.Image:
    image = Image.fromarray(quantised(rgb, np.dtype(np.uint8)))
    if alpha is not None:
        image.putalpha(Image.fromarray(quantised(alpha, np.dtype(np.uint8))))
    return image


def _deep_png(rgb: np.ndarray, alpha: np.ndarray | None) -> bytes:
    """A 16-bit PNG, which Pillow cannot write in colour."""
    word = np.dtype(np.uint16)
    pixels = quantised(rgb, word)[..., ::-1]
    if alpha is not None:
        pixels = np.dstack([pixels, quantised(alpha, word)])
    written, encoded = cv2.imencode(".png", np.ascontiguousarray(pixels))
    if not written:
        raise UserError("the picture cannot be written as a 16-bit PNG")
    return encoded.tobytes()


def _is_comment(chunk: tuple[bytes, bytes]) -> bool:
    return chunk[0] == b"tEXt" and chunk[1].startswith(b"Comment\0")


def _is_resolution(exif: bytes) -> bool:
    """Whether EXIF says nothing but what ``Picture.dpi`` does."""
    tags = Image.Exif()
    tags.load(exif)
    return set(tags) <= {*RESOLUTION_TAGS}


def _fits(packet: bytes) -> bool:
    return len(packet) <= _JPEG_SEGMENT


def _with_resolution(exif: bytes, dpi: tuple[float, float]) -> bytes:
    tags = Image.Exif()
    tags.load(exif)
    for tag, value in zip(RESOLUTION_TAGS, (*dpi, _INCH), strict=True):
        tags[tag] = value
    return tags.tobytes()
