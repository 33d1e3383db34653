"""What every reader of an image file gives: pixels as stored, and what the file says of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import DataError
from .icc import Profile, read_profile


@dataclass(frozen=True, kw_only=True)
class Raster:
    """The pixels of one picture, upright.

    Attributes:
        levels: H x W or H x W x 3; uint8, uint16, or float as stored.
        alpha: H x W uint8 or uint16, opaque at the top; ``None`` for none.
        ink: H x W x 4 uint8 of a CMYK picture, full at 255, where a profile may say what colours
            the inks have; ``levels`` are then those without it.
    """

    levels: np.ndarray
    alpha: np.ndarray | None = None
    ink: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What a file says that is no pixel and no colour.

    Attributes:
        exif: without orientation and what says how pixels are stored; empty for none.
        xmp: the packet, upright; empty for none.
        dpi: pixels an inch, across and down.
        text: PNG chunks of text as they are, name and content.
        lost: what the file has beside these, in words, such as "IPTC".
    """

    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[bytes, bytes], ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Animation:
    """How the pictures of an animation follow each other.

    Attributes:
        durations: of those read so far, in milliseconds.
        plays: how often it is shown, 0 without end.
    """

    durations: list[float] = field(default_factory=list)
    plays: int = 0


class PictureFile(ABC):
    """An image file that is known by its first bytes and not decoded yet.

    Attributes:
        path: for error texts.
        data: its bytes.
        kind: name of the format.
        icc: the embedded colour profile.
        count: how many pictures it holds, pages or frames; thumbnails do not count.
        animation: of an animation, else ``None``.
        notes: what of the pixels is not read, in words; grows as they are.
    """

    kind = ""
    icc: bytes | None = None
    count = 1
    animation: Animation | None = None

    def __init__(self, path: Path, data: bytes) -> None:
        self.path = path
        self.data = data
        self.notes: list[str] = []

    @property
    @abstractmethod
    def stored_size(self) -> tuple[int, int] | None:
        """(height, width) as stored, of the first picture; ``None`` where the header is silent."""

    @property
    def most_pixels(self) -> int:
        """Of its largest picture, 0 where the header is silent."""
        height, width = self.stored_size or (0, 0)
        return height * width

    @property
    @abstractmethod
    def orientation(self) -> int:
        """EXIF's number, 1 for upright."""

    @abstractmethod
    def rasters(self) -> Iterator[Raster]:
        """The pictures in order, decoded one at a time.

        Raises:
            DataError: one is damaged, or of a kind that is not known.
        """

    @abstractmethod
    def metadata(self) -> Metadata:
        """What else it says; damaged metadata counts as none."""

    def profile(self) -> Profile | None:
        """What colours the levels are; ``None`` for sRGB, and for a profile made of tables."""
        return read_profile(self.icc) if self.icc else None


def turned(plane: np.ndarray, orientation: int) -> np.ndarray:
    """A stored array upright, by EXIF's orientation 1 to 8 (others count as 1)."""
    if orientation in (5, 6, 7, 8):
        plane = plane.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(plane[::rows, ::columns])


def rational(value: Any) -> float:
    """A number of a tag: plain, a fraction, or a pair; 0 for nonsense."""
    try:
        return float(Fraction(*value)) if isinstance(value, tuple) else float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0


def truncated(path: Path) -> DataError:
    """The error of a file that ends early."""
    return DataError(f"{path} is truncated: its pixels end early; copy or download it again")


def broken(path: Path, reason: Any) -> DataError:
    """The error of a damaged file."""
    text = " ".join(str(reason).split()) or type(reason).__name__
    return DataError(f"cannot decode {path}: {text}; copy it again or take it off the list")


def unsupported(path: Path, what: str, remedy: str = "save it as RGB or gray") -> DataError:
    """The error of a sound file of a kind that is not read."""
    return DataError(f"{path} has {what}, which is not supported; {remedy}")
