"""JPEG, by OpenCV, which only warns about a file that ends early: so its end is looked for."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from .metadata import metadata_of
from .opencv_decode import decode_opencv
from .raster import Metadata, PictureFile, Raster, truncated

_END = b"\xff\xd9"
_ICC = b"ICC_PROFILE\0"


class JpegFile(PictureFile):
    """A JPEG of one, three or four channels."""

    kind = "JPEG"

    def __init__(self, path: Path, data: bytes) -> None:
        super().__init__(path, data)
        self._scan, self._frame, parts = _header(data)
        # within the scans FFD9 is the end; before them a thumbnail may have its own
        self._end = data.rfind(_END)
        if self._scan < 0 or self._end < self._scan:
            raise truncated(path)
        self.icc = b"".join(parts[number] for number in sorted(parts)) or None
        self._channels = data[self._frame + 9]

    @property
    def stored_size(self) -> tuple[int, int] | None:
        """From the frame's header; ``None`` when a later marker tells the height."""
        height, width = struct.unpack(">HH", self.data[self._frame + 5 : self._frame + 9])
        return (height, width) if height else None

    @property
    def orientation(self) -> int:
        """By its EXIF."""
        with Image.open(io.BytesIO(self.data)) as image:
            return image.getexif().get(0x0112, 1)

    def rasters(self) -> Iterator[Raster]:
        """Its one picture; gray ones have one channel."""
        data, scan, end = self.data, self._scan, self._end
        image = decode_opencv(data, cv2.IMREAD_COLOR, self.path)
        if _corner_is_gray(image):
            progressive = data[self._frame + 1] == 0xC2
            # the gray of a progressive picture comes from a first scan that ends early
            whole = b"\xff\xda" in data[scan + 2 : end] if progressive else _is_whole(data[:end])
            if not whole:
                raise truncated(self.path)
        if self._channels == 1:
            image = np.ascontiguousarray(image[..., 0])
        yield Raster(levels=image, ink=self._ink() if self._channels == 4 and self.icc else None)

    def metadata(self) -> Metadata:
        """EXIF, XMP, resolution and comment."""
        return metadata_of(io.BytesIO(self.data))

    def _ink(self) -> np.ndarray:
        with Image.open(io.BytesIO(self.data)) as image:
            return np.array(ImageOps.exif_transpose(image))


def _header(data: bytes) -> tuple[int, int, dict[int, bytes]]:
    """Where the first scan's and the frame's marker are, and the parts of the profile.

    (-1, -1) when the header ends early.
    """
    position, frame = 2, -1
    profile: dict[int, bytes] = {}
    while position + 9 < len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        if marker == 0xFF:  # padding
            position += 1
            continue
        if marker == 0xDA:
            return (position, frame, profile) if frame >= 0 else (-1, -1, {})
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = position
        body = position + 4
        if marker == 0xE2 and data.startswith(_ICC, body):
            profile[data[body + 12]] = data[body + 14 : position + 2 + length]
        position += 2 + length
    return -1, -1, {}


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
