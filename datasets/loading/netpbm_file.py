"""Binary PGM and PPM of 16 bits, whose colours Pillow reduces to 8."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .raster import Metadata, PictureFile, Raster, truncated

_GAP = rb"(?:\s|#[^\n]*\n)+"
_HEADER = re.compile(rb"P([56])" + 3 * (_GAP + rb"(\d{1,9})") + rb"\s")


class NetpbmFile(PictureFile):
    """Levels from 0 to the header's largest, which become 0 to 65535."""

    kind = "Netpbm"

    def __init__(self, path: Path, data: bytes) -> None:
        super().__init__(path, data)
        header = _HEADER.match(data)
        assert header is not None
        kind, width, height, self._top = map(int, header.groups())
        self._shape = (height, width) if kind == 5 else (height, width, 3)
        self._start = header.end()

    @staticmethod
    def fits(data: bytes) -> bool:
        """Whether a file is of this kind."""
        header = _HEADER.match(data[:4096])
        return header is not None and 255 < int(header.group(4)) < 65536

    @property
    def stored_size(self) -> tuple[int, int] | None:
        """From the header."""
        return self._shape[:2]

    @property
    def orientation(self) -> int:
        """It has none."""
        return 1

    def rasters(self) -> Iterator[Raster]:
        """Its first picture."""
        count = int(np.prod(self._shape))
        if len(self.data) - self._start < 2 * count:
            raise truncated(self.path)
        levels = np.frombuffer(self.data, ">u2", count, self._start).reshape(self._shape)
        scaled = np.rint(levels.astype(np.float64) * (65535 / self._top))
        yield Raster(levels=scaled.clip(0, 65535).astype(np.uint16))

    def metadata(self) -> Metadata:
        """It has none."""
        return Metadata()
