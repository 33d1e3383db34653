"""What a PNG says beside its pixels, written as its chunks."""

from __future__ import annotations

import struct
import zlib
from typing import Protocol

from ...datasets.loading.png_file import XMP_KEYWORD

_INCH_M = 0.0254
_HEADER = 8 + 4 + 4 + 13 + 4  # signature and IHDR


class Carried(Protocol):
    """A picture's profile, resolution, EXIF, XMP and texts; see ``Picture``."""

    @property
    def icc(self) -> bytes | None: ...
    @property
    def dpi(self) -> tuple[float, float] | None: ...
    @property
    def exif(self) -> bytes: ...
    @property
    def xmp(self) -> bytes: ...
    @property
    def text(self) -> tuple[tuple[bytes, bytes], ...]: ...


def with_chunks(data: bytes, picture: Carried) -> bytes:
    """A PNG of pixels alone with all that its picture says beside them."""
    chunks = []
    if picture.icc is not None:
        chunks.append(_chunk(b"iCCP", b"icc\0\0" + zlib.compress(picture.icc)))
    if picture.dpi:
        across, down = (round(side / _INCH_M) for side in picture.dpi)
        chunks.append(_chunk(b"pHYs", struct.pack(">IIB", across, down, 1)))
    if picture.exif:
        chunks.append(_chunk(b"eXIf", picture.exif.removeprefix(b"Exif\0\0")))
    if picture.xmp:
        chunks.append(_chunk(b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + picture.xmp))
    chunks += [_chunk(name, content) for name, content in picture.text]
    return data[:_HEADER] + b"".join(chunks) + data[_HEADER:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
