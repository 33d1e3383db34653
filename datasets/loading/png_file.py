"""PNG: its chunks are read here, 8 bits are decoded by Pillow and 16 by OpenCV.

Pillow drops the low byte of 16-bit colours, and refuses a file for a long text in it.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from .icc import Profile
from .metadata import metadata_of, upright_xmp
from .opencv_decode import decode_opencv
from .pillow_file import PillowFile
from .raster import Metadata, Raster, turned, unsupported

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD = b"XML:com.adobe.xmp"
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_MOST = 2**25  # bytes of a profile or a packet, unpacked
_LONG = 2**20  # bytes of a text, unpacked, that other readers refuse
_OLD_EXIF = (b"Raw profile type exif", b"Raw profile type APP1")
_OLD = b"Raw profile type "  # of ImageMagick, before PNG had chunks of its own for them
_HDR = {16: "PQ", 18: "HLG"}
_PRIMARIES = {  # of ITU-T H.273: red, green, blue
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_D65 = (0.3127, 0.3290)


class PngFile(PillowFile):
    """A PNG of any kind, animated ones too."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._chunks = list(_chunks(data))
        super().__init__(path, _without_text(data))
        self.icc = _profile_bytes(self._first(b"iCCP"))
        self._deep = data[24:25] == b"\x10" and self.count == 1
        if data[24:25] == b"\x10" and self.count > 1:
            self.notes.append("8 of its 16 bits are read")

    def rasters(self) -> Iterator[Raster]:
        """Its pictures; see ``PillowFile``."""
        if not self._deep:
            yield from super().rasters()
            return
        image = decode_opencv(self.data, cv2.IMREAD_UNCHANGED, self.path)
        alpha = self._keyed(image)
        if image.ndim == 3 and image.shape[2] == 4:
            alpha = image[..., 3] if self.data[25] in (4, 6) else alpha
            image = image[..., :3]
        if image.ndim == 3 and self.data[25] in (0, 4):
            image = image[..., 0]
        turn = self.orientation
        yield Raster(
            levels=turned(image, turn), alpha=None if alpha is None else turned(alpha, turn)
        )

    def metadata(self) -> Metadata:
        """EXIF, XMP, resolution and the chunks of text."""
        plain = metadata_of(io.BytesIO(self.data))
        text, xmp = [], plain.xmp
        for name, content in self._chunks:
            keyword = content.split(b"\0", 1)[0]
            if name == b"iTXt" and keyword == XMP_KEYWORD:
                xmp = _international(content)
            elif name in _TEXT and not keyword.startswith(_OLD):
                text.append((name, content))
        kept = tuple(chunk for chunk in text if _length(*chunk) < _LONG)
        return Metadata(
            exif=plain.exif,
            xmp=upright_xmp(xmp),
            dpi=plain.dpi,
            text=kept,
            lost=("long text",) if len(kept) < len(text) else (),
        )

    def profile(self) -> Profile | None:
        """By cICP, the ICC profile, sRGB, or gAMA and cHRM: the first that is there."""
        if self._first(b"cICP"):
            return self._coded(self._first(b"cICP"))
        if self.icc or self._first(b"sRGB"):
            return super().profile()
        gamma = int.from_bytes(self._first(b"gAMA")[:4]) / 100_000
        if not 0.1 < gamma < 10:
            return None
        chroma = self._first(b"cHRM")
        numbers = [int.from_bytes(chroma[4 * i : 4 * i + 4]) / 100_000 for i in range(8)]
        white, primaries = (numbers[:2], numbers[2:]) if len(chroma) == 32 else (_D65, None)
        return Profile.of_gamma(1 / gamma, primaries, white)

    def _coded(self, content: bytes) -> Profile | None:
        primaries, transfer = (*content[:2], 1, 1)[:2]
        if transfer in _HDR:
            raise unsupported(self.path, f"HDR ({_HDR[transfer]})", "convert it to sRGB first")
        known = _PRIMARIES.get(primaries)
        if known is None and transfer != 8:
            return None
        return Profile.of_gamma(1.0 if transfer == 8 else None, known, _D65)

    def _first(self, wanted: bytes) -> bytes:
        return next((content for name, content in self._chunks if name == wanted), b"")

    def _keyed(self, image: np.ndarray) -> np.ndarray | None:
        """Alpha of the one colour that is transparent."""
        key = np.frombuffer(self._first(b"tRNS"), ">u2")
        if self.data[25] not in (0, 2) or len(key) != (1 if self.data[25] == 0 else 3):
            return None
        planes = image[..., None] if image.ndim == 2 else image[..., : len(key)]
        return np.where((planes == key).all(axis=2), 0, 65535).astype(np.uint16)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of every chunk but the pixels, up to where the file ends."""
    position = len(SIGNATURE)
    while position + 12 <= len(data):
        length, name = int.from_bytes(data[position : position + 4]), data[position + 4 :][:4]
        end = position + 8 + length
        if name not in (b"IDAT", b"fdAT") and end + 4 <= len(data):
            yield name, data[position + 8 : end]
        position = end + 4


def _without_text(data: bytes) -> bytes:
    """The file without its texts and its profile, but for EXIF in a text."""
    kept, position = [data[: len(SIGNATURE)]], len(SIGNATURE)
    while position < len(data):
        length, name = int.from_bytes(data[position : position + 4]), data[position + 4 :][:4]
        end = position + 12 + length
        keyword = data[position + 8 : position + 40].split(b"\0", 1)[0]
        old = keyword in _OLD_EXIF and len(_unpacked(data[position + 10 + len(keyword) : end - 4]))
        if name != b"iCCP" and (name not in _TEXT or (name == b"zTXt" and 0 < old < 2**20)):
            kept.append(data[position:end])
        position = end
    return b"".join(kept)


def _profile_bytes(content: bytes) -> bytes | None:
    name, _, rest = content.partition(b"\0")
    return _unpacked(rest[1:]) or None if name else None


def _international(content: bytes) -> bytes:
    """The text of an iTXt chunk, whose languages do not matter."""
    _, _, rest = content.partition(b"\0")
    packed, body = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    return _unpacked(body) if packed else body


def _length(name: bytes, content: bytes) -> int:
    """Bytes of a text, unpacked; ``_LONG`` for one that is damaged."""
    if name == b"tEXt":
        return len(content)
    if name == b"iTXt":
        return len(_international(content))
    return len(_unpacked(content.partition(b"\0")[2][1:])) or _LONG


def _unpacked(content: bytes) -> bytes:
    """What zlib packed; empty where it is damaged or too large."""
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(content, _MOST)
    except zlib.error:
        return b""
    return b"" if unpacker.unconsumed_tail else data
