"""TIFF, by tifffile: what the levels are is read from the tags, and what is not covered refused."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from .metadata import clean_exif, exif_of, upright_xmp
from .raster import (
    Metadata,
    PictureFile,
    Raster,
    broken,
    rational,
    turned,
    unsupported,
)
from .tar_files import open_file

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _SEPARATED, _YCBCR = 0, 1, 2, 3, 5, 6
_OTHER = {
    8: "CIELab colours",
    9: "ICCLab colours",
    10: "ITULab colours",
    32803: "the raw pixels of a camera (CFA)",
    32844: "LogL levels",
    32845: "LogLuv colours",
    34892: "the raw pixels of a camera (LinearRaw)",
}
_CHANNELS = {_RGB: 3, _YCBCR: 3, _SEPARATED: 4}
_UNSIGNED, _FLOAT = 1, 3
_ASSOCIATED, _ALPHA = 1, 2
_ENDS_EARLY = "truncated: its pixels end early"
_PER_INCH = {2: 1.0, 3: 2.54}
logging.getLogger("tifffile").addHandler(logging.NullHandler())  # errors name the file instead


class TiffFile(PictureFile):
    """A TIFF or BigTIFF: gray, palette, RGB, YCbCr or CMYK of 1 to 16 bits, or float in [0,1]."""

    kind = "TIFF"

    def __init__(self, path: Path, data: bytes) -> None:
        super().__init__(path, data)
        try:
            with tifffile.TiffFile(io.BytesIO(data)) as file:
                self._pages = [page for page in map(_whole, file.pages) if page is not None]
                self._hyperstack = _further_planes(file, len(self._pages))
        except Exception as error:  # a damaged directory raises nearly anything
            raise broken(path, error) from error
        if not self._pages:
            raise broken(path, "it has no picture")
        self.count = len(self._pages)
        profile = self._tag(34675)
        self.icc = bytes(profile) if profile else None
        if self._hyperstack:
            self.notes.append(f"{self._hyperstack} further planes of its stack are not read")

    @property
    def stored_size(self) -> tuple[int, int] | None:
        """Of its first page."""
        return self._pages[0].imagelength, self._pages[0].imagewidth

    @property
    def most_pixels(self) -> int:
        """Of its largest page."""
        return max(page.imagelength * page.imagewidth for page in self._pages)

    @property
    def orientation(self) -> int:
        """Of its first page."""
        return _orientation(self._pages[0])

    def rasters(self) -> Iterator[Raster]:
        """Its pages, but for thumbnails and masks."""
        for number, page in enumerate(self._pages, 1):
            where = f"page {number}: " if self.count > 1 else ""
            yield self._raster(page, where)

    def metadata(self) -> Metadata:
        """The tags of the first page that describe a picture."""
        from PIL import Image

        exif = Image.Exif()
        try:
            with Image.open(io.BytesIO(self.data)) as image:
                exif = exif_of(image)
        except Exception:  # a kind of pixels that Pillow does not know: the tags are read alone
            exif = _plain_exif(self._tag)
        unit = _PER_INCH.get(int(self._tag(296) or 2))
        across, down = rational(self._tag(282)), rational(self._tag(283))
        dpi = (across * unit, down * unit) if unit and min(across, down) > 1 else None
        return Metadata(
            exif=clean_exif(exif),
            xmp=upright_xmp(_bytes(self._tag(700))),
            dpi=dpi,
            lost=("IPTC",) if self._tag(33723) else (),
        )

    def _raster(self, page: tifffile.TiffPage, where: str) -> Raster:
        self._check(page, where)
        try:
            stored = page.asarray()
        except ValueError as error:
            if "failed to read" in str(error):
                raise broken(self.path, _ENDS_EARLY) from error
            raise self._undecoded(page, where, error) from error
        except Exception as error:  # decoders of compressed data raise nearly anything
            raise self._undecoded(page, where, error) from error
        if stored.ndim == 3 and page.axes.startswith("S"):  # a plane for each channel
            stored = np.moveaxis(stored, 0, -1)
        if stored.ndim != (2 if page.samplesperpixel == 1 else 3):
            raise unsupported(self.path, f"{where}pixels of the shape {page.axes}")
        levels, alpha, ink = self._meaning(page, stored)
        turn = _orientation(page)
        return Raster(
            levels=turned(levels, turn),
            alpha=None if alpha is None else turned(alpha, turn),
            ink=None if ink is None else turned(ink, turn),
        )

    def _check(self, page: tifffile.TiffPage, where: str) -> None:
        """Refuse what is not covered, before anything is decoded."""
        photometric, bits = int(page.photometric), page.bitspersample
        sample = int(page.sampleformat or _UNSIGNED)
        if photometric in _OTHER or photometric not in {*_CHANNELS, 0, 1, 3}:
            what = _OTHER.get(photometric, f"the photometric interpretation {photometric}")
            raise unsupported(self.path, where + what)
        if photometric == _SEPARATED and page.samplesperpixel < 4:
            raise unsupported(self.path, f"{where}inks other than CMYK")
        if page.samplesperpixel < _CHANNELS.get(photometric, 1):
            raise broken(self.path, f"{where}{page.samplesperpixel} channels are too few")
        if isinstance(bits, tuple) and len(set(bits)) > 1:
            raise unsupported(self.path, f"{where}channels of {bits} bits")
        depth = bits[0] if isinstance(bits, tuple) else bits
        if sample not in (_UNSIGNED, _FLOAT, 4) or (sample == _UNSIGNED and depth > 16):
            kind = {2: "signed", 5: "complex", 6: "complex"}.get(sample, "unsigned")
            raise unsupported(
                self.path, f"{where}{kind} levels of {depth} bits", "save it with 8, 16 or float"
            )
        ends = [a + b for a, b in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if not ends or 0 in page.databytecounts or max(ends) > len(self.data):
            raise broken(self.path, _ENDS_EARLY)

    def _meaning(
        self, page: tifffile.TiffPage, stored: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Levels, alpha and ink of stored samples."""
        photometric = int(page.photometric)
        if photometric == _PALETTE:
            return _colored(page, stored[..., 0] if stored.ndim == 3 else stored), None, None
        stored = _scaled(page, stored)
        count = _CHANNELS.get(photometric, 1)
        alpha = self._alpha(page, stored, count) if stored.ndim == 3 else None
        levels = stored if stored.ndim == 2 else stored[..., :count]
        if levels.ndim == 3 and count == 1:
            levels = levels[..., 0]
        if photometric == _MIN_IS_WHITE:
            levels = _top(levels) - levels
        ink = None
        if photometric == _SEPARATED:
            top = _top(levels)
            ink = np.rint(levels * (255 / top)).astype(np.uint8)
            light = (top - levels).astype(np.float64)
            light = light[..., :3] * light[..., 3:] / top
            levels = light.astype(np.float32) if top == 1 else np.rint(light).astype(levels.dtype)
        return levels, alpha, ink

    def _alpha(self, page: tifffile.TiffPage, stored: np.ndarray, count: int) -> np.ndarray | None:
        """The first channel of transparency; colours that were multiplied by it are divided."""
        extra = [int(kind) for kind in page.extrasamples or ()]
        spare = stored.shape[2] - count
        if not extra and spare == 1 and count in (1, 3) and 338 not in page.tags:
            extra = [_ALPHA]  # writers who leave the tag out mean this
        chosen = next((i for i, kind in enumerate(extra) if kind in (_ASSOCIATED, _ALPHA)), None)
        unread = spare - (chosen is not None)
        if unread:
            self.notes.append(f"{unread} further channels are not read")
        if chosen is None:
            return None
        plane = np.array(stored[..., count + chosen])
        if extra[chosen] == _ASSOCIATED:
            top = _top(stored)
            clear = plane[..., None] == 0
            factor = top / np.where(clear, top, plane[..., None])
            whole = np.where(clear, 0, np.minimum(stored[..., :count] * factor, top))
            stored[..., :count] = whole if top == 1 else np.rint(whole)
        if plane.dtype.kind == "u":
            return plane
        return np.rint(255 * plane.clip(0, 1)).astype(np.uint8)

    def _undecoded(self, page: tifffile.TiffPage, where: str, error: Exception) -> Exception:
        text = " ".join(str(error).split())
        if "imagecodecs" in text:
            kind = getattr(page.compression, "name", page.compression)
            return unsupported(
                self.path, f"{where}compression {kind}", "pip install imagecodecs reads it"
            )
        return broken(self.path, f"{where}{text}")

    def _tag(self, code: int) -> Any:
        tag = self._pages[0].tags.get(code)
        return None if tag is None else tag.value


def header_of_tiff(path: Path) -> tuple[int, int, int]:
    """Height and width as stored, and orientation, of the first page, by its directory alone.

    Raises:
        DataError: it is damaged.
    """
    try:
        with open_file(path) as stream, tifffile.TiffFile(stream) as file:
            page = next(page for page in map(_whole, file.pages) if page is not None)
            return page.imagelength, page.imagewidth, _orientation(page)
    except Exception as error:  # a damaged directory raises nearly anything
        raise broken(path, error) from error


def count_pages(path: Path) -> int:
    """Pages of a TIFF by its directories alone; 1 where it cannot be read."""
    try:
        with tifffile.TiffFile(path) as file:
            return sum(_whole(page) is not None for page in file.pages)
    except Exception:  # reading it will say why
        return 1


def _whole(page: Any) -> tifffile.TiffPage | None:
    """A page that is a picture of its own: no thumbnail and no mask."""
    page = page.aspage() if hasattr(page, "aspage") else page
    small = page.is_reduced or page.is_mask or not page.imagelength or not page.imagewidth
    return None if small else page


def _further_planes(file: tifffile.TiffFile, pages: int) -> int:
    """Planes of a hyperstack that have no directory of their own (ImageJ)."""
    if not file.is_imagej or not file.imagej_metadata:
        return 0
    return max(0, int(file.imagej_metadata.get("images", 1)) - pages)


def _orientation(page: tifffile.TiffPage) -> int:
    tag = page.tags.get(274)
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 1


def _top(levels: np.ndarray) -> int:
    return int(np.iinfo(levels.dtype).max) if levels.dtype.kind == "u" else 1


def _scaled(page: tifffile.TiffPage, stored: np.ndarray) -> np.ndarray:
    """Samples of 1 to 16 bits as uint8 or uint16 of the whole range; float ones as float32."""
    if stored.dtype.kind == "f":
        return stored.astype(np.float32)
    bits = page.bitspersample
    bits = bits[0] if isinstance(bits, tuple) else bits
    if stored.dtype == bool or bits == 1:
        return np.where(stored, 255, 0).astype(np.uint8)
    if bits in (8, 16):
        return np.array(stored, np.uint8 if bits == 8 else np.uint16)
    top, kind = (255, np.uint8) if bits < 8 else (65535, np.uint16)
    return np.rint(stored.astype(np.float64) * (top / (2**bits - 1))).astype(kind)


def _colored(page: tifffile.TiffPage, index: np.ndarray) -> np.ndarray:
    """The colours of a palette, uint8; some writers fill it with levels of 8 bits."""
    colors = np.asarray(page.colormap)
    colors = (colors if colors.max() < 256 else colors >> 8).astype(np.uint8)
    return colors.T[np.minimum(index, colors.shape[1] - 1)]


def _plain_exif(tag: Callable[[int], Any]) -> Any:
    from PIL import Image

    exif = Image.Exif()
    for code in (270, 271, 272, 305, 306, 315, 33432):
        value = tag(code)
        if isinstance(value, str) and value:
            exif[code] = value
    return exif


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value or b"")
