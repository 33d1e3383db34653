"""EXIF, XMP, resolution and text of a file, as a result may take them over."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import IO, Any

from PIL import Image

from .raster import Metadata, rational

# description, make, model, resolution, software, date, artist, copyright, and the EXIF and GPS
# parts; the rest of a TIFF's directory says how its pixels are stored, orientation is applied
RESOLUTION_TAGS = (282, 283, 296)
KEPT_TAGS = (270, 271, 272, 282, 283, 296, 305, 306, 315, 33432, 34665, 34853)
_INCHES = {2: 1.0, 3: 2.54}  # of a resolution's unit: inch, centimetre
_PARTS = (34665, 34853)
_ERRORS = (OSError, ValueError, KeyError, TypeError, SyntaxError, IndexError, AttributeError)
_DAMAGED = (*_ERRORS, struct.error, OverflowError, EOFError)
_ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|\s*>))\s*\d+")


def metadata_of(file: IO[bytes] | Path) -> Metadata:
    """What Pillow finds in a file; empty where it knows none of it."""
    try:
        with Image.open(file) as image:
            return metadata_of_image(image)
    except Exception:  # a broken file makes Pillow raise nearly anything
        return Metadata()


def metadata_of_image(image: Image.Image) -> Metadata:
    """The same of an image of Pillow."""
    info = image.info
    exif, lost = exif_of(image), []
    if "photoshop" in info or "iptc" in info:
        lost.append("IPTC")
    if info.get("comment"):
        lost.append("comment")
    return Metadata(
        exif=clean_exif(exif),
        xmp=upright_xmp(_bytes(info.get("xmp"))),
        dpi=_dpi(info.get("dpi")) or _exif_dpi(exif),
        lost=tuple(lost),
    )


def exif_of(image: Image.Image) -> Image.Exif:
    """The EXIF of an image, empty where it is damaged."""
    try:
        return image.getexif()
    except _DAMAGED:
        return Image.Exif()


def clean_exif(exif: Image.Exif) -> bytes:
    """EXIF that can be written and read again: of ``KEPT_TAGS`` those that are sound.

    It is built anew: that of a BigTIFF, for one, cannot be a part of another file.
    """
    tags = {tag: value for tag in KEPT_TAGS if (value := _tag(exif, tag)) not in (None, {})}
    if not tags:
        return b""
    try:
        return _exif_bytes(tags)
    except _DAMAGED:
        return _exif_bytes({tag: value for tag, value in tags.items() if _is_sound(tag, value)})


def upright_xmp(packet: bytes) -> bytes:
    """An XMP packet whose orientation is 1, as that of a result."""
    return _ORIENTATION.sub(rb"\g<1>1", packet)


def _tag(exif: Image.Exif, tag: int) -> Any:
    try:
        return dict(exif.get_ifd(tag)) if tag in _PARTS else exif.get(tag)
    except _DAMAGED:
        return None


def _exif_bytes(tags: dict[int, Any]) -> bytes:
    fresh = Image.Exif()
    for tag, value in tags.items():
        fresh[tag] = value
    data = fresh.tobytes() if tags else b""
    again = Image.Exif()
    again.load(data)
    for tag in tags:
        _ = dict(again.get_ifd(tag)) if tag in _PARTS else again[tag]
    return data


def _is_sound(tag: int, value: Any) -> bool:
    try:
        return bool(_exif_bytes({tag: value}))
    except _DAMAGED:
        return False


def _dpi(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, tuple) or len(value) != 2:
        return None
    across, down = (rational(side) for side in value)
    sound = 1 < across < 1e6 and 1 < down < 1e6  # 1 x 1 is what writers put for "not known"
    return (across, down) if sound else None


def _exif_dpi(exif: Image.Exif) -> tuple[float, float] | None:
    """The resolution that EXIF names: that of a WebP stands nowhere else."""
    across, down, unit = (_tag(exif, tag) for tag in RESOLUTION_TAGS)
    scale = _INCHES.get(2 if unit is None else unit)
    return _dpi((rational(across) * scale, rational(down) * scale)) if scale else None


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
