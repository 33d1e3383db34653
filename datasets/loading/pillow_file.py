"""Image files that Pillow decodes: GIF, WebP, AVIF, HEIC, BMP, TGA and others, with animations."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ..base.errors import DataError
from .metadata import exif_of, metadata_of
from .raster import Animation, Metadata, PictureFile, Raster, broken, turned, unsupported

_ALPHA_MODES = ("LA", "PA", "La", "RGBA", "RGBa")
_GRAY_MODES = ("1", "L", "LA", "La")
_ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
_PROGRAMS = ("EPS", "WMF")  # drawn by a program of the system, not decoded
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_HDR = {16: "PQ", 18: "HLG"}


class PillowFile(PictureFile):
    """What Pillow, or a plugin of it, opens."""

    def __init__(self, path: Path, data: bytes) -> None:
        super().__init__(path, data)
        heif = data[4:8] == b"ftyp" and not _is_avif(data) and _brand(data) in _HEIF_BRANDS
        if heif:
            _register_heif(path)
        self._image = _open(path, data)
        self.kind = self._image.format or "picture"
        if self.kind in _PROGRAMS:
            raise unsupported(path, f"the format {self.kind}", "save it as PNG")
        self.icc = self._image.info.get("icc_profile") or None
        self.count = _count(self._image)
        if self.count > 1 and self.kind in _ANIMATED:
            self.animation = Animation(plays=_plays(self._image))
        self._say_depth()

    @property
    def stored_size(self) -> tuple[int, int] | None:
        """From the header."""
        return self._image.height, self._image.width

    @property
    def orientation(self) -> int:
        """By its EXIF."""
        return exif_of(self._image).get(0x0112, 1)

    def rasters(self) -> Iterator[Raster]:
        """Its pictures; those of an animation as they are shown, not as stored."""
        image, orientation = self._image, self.orientation
        first = 1 if self.animation and getattr(image, "default_image", False) else 0
        for number in range(first, first + self.count):
            try:
                if number:
                    image.seek(number)
                raster = raster_of(image, orientation, self.path)
            except DataError:
                raise
            except Exception as error:  # a broken file makes Pillow raise nearly anything
                raise broken(self.path, error) from error
            if self.animation:
                self.animation.durations.append(float(image.info.get("duration") or 0))
            yield raster

    def metadata(self) -> Metadata:
        """EXIF, XMP and resolution."""
        return metadata_of(io.BytesIO(self.data))

    def _say_depth(self) -> None:
        info = self._image.info
        depth = info.get("bit_depth", 8)
        if isinstance(depth, int) and depth > 8:
            self.notes.append(f"8 of its {depth} bits are read")
        nclx = info.get("nclx_profile")
        if isinstance(nclx, dict) and nclx.get("transfer_characteristics") in _HDR:
            name = _HDR[nclx["transfer_characteristics"]]
            raise unsupported(self.path, f"HDR ({name})", "convert it to sRGB first")


def raster_of(image: Image.Image, orientation: int, path: Path | str) -> Raster:
    """An image of Pillow, of any mode, upright.

    Raises:
        DataError: whole numbers of 32 bits, whose range nobody says.
    """
    mode = image.mode
    if mode.startswith("I;16"):
        return Raster(levels=turned(np.asarray(image).astype(np.uint16), orientation))
    if mode == "F":
        return Raster(levels=turned(np.asarray(image), orientation))
    if mode.startswith("I"):
        raise DataError(f"{path} has levels of 32 bits; save it as PNG or TIFF")
    plain = image.convert("L" if mode in _GRAY_MODES else "RGB")
    alpha = ink = None
    if mode in _ALPHA_MODES or "transparency" in image.info:
        alpha = turned(np.array(image.convert("RGBA").getchannel("A")), orientation)
    if mode == "CMYK":
        ink = turned(np.array(image), orientation)
    return Raster(levels=turned(np.array(plain), orientation), alpha=alpha, ink=ink)


def _open(path: Path, data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except Image.DecompressionBombError:
        raise
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        if _is_avif(data):
            raise unsupported(path, "the format AVIF", "install Pillow 11.3 or newer") from error
        raise broken(path, "no known image format, or a damaged header") from error


def _count(image: Image.Image) -> int:
    """Pictures of a file; some kinds are walked through for it."""
    try:
        count = int(getattr(image, "n_frames", 1))
    except Exception:  # a damaged later one: the first may be sound
        return 1
    return count - 1 if getattr(image, "default_image", False) and count > 1 else count


def _plays(image: Image.Image) -> int:
    loop = image.info.get("loop")
    if image.format == "GIF":  # says how often it is shown again
        return 1 if loop is None else loop and loop + 1
    return int(loop or 0)


def _brand(data: bytes) -> bytes:
    return data[8:12]


def _is_avif(data: bytes) -> bool:
    length = min(int.from_bytes(data[:4]), 256)
    brands = data[8:length]
    return data[4:8] == b"ftyp" and (b"avif" in brands or b"avis" in brands)


def _register_heif(path: Path) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise DataError(
            f"{path} is HEIC, which needs another package: pip install pillow-heif"
        ) from None
    register_heif_opener()
