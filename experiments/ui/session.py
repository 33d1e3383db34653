"""Pictures that are open in a browser: held in memory, coloured by one network at a time."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image

from ...datasets.base.errors import DataError, UserError
from ..inference.choice import input_of, title
from ..inference.colorizer import Colorizer
from ..inference.exported_file import ExportedColors
from ..inference.hints_file import Hints, hints_from_plain, hints_text
from ..inference.input_kind import Guess, guess_kind
from ..inference.palette import Palette
from ..inference.picture_file import Picture, encode, read_picture
from ..inference.precision import Precision, multiplies_bfloat16
from ..inference.prepared_picture import PreparedPicture

MAX_PICTURES = 8
MAX_PIXELS = 32_000_000  # of one picture
MAX_ALL_PIXELS = 96_000_000  # of all together: with planes and alpha some 1.5 GB at most
_LARGEST_PIXEL = 12  # bytes: three float levels
VIEW = 1024  # longest side of what the page shows, pixels


class GoneError(UserError):
    """A picture that is no longer held; the page opens it again."""


@dataclass
class Opened:
    """A picture that is open.

    Attributes:
        name: of its file.
        data: the file.
        pixels: their number.
        decoded: as read for gray or for NIR methods, whichever came last.
        managed: which of the two.
        prepared: for the method of that number, at full size and at the page's; the colours of the
            latter are the preview's.
    """

    name: str
    data: bytes
    pixels: int
    decoded: Picture
    managed: bool
    prepared: tuple[int, PreparedPicture, PreparedPicture] | None = field(default=None)


class Session:
    """What the page can ask for. Calls from several threads wait for each other.

    Uploads pass through a temporary folder, which is all that is written.

    Args:
        methods: the choice of methods.
        max_pictures: how many pictures are held; the one that was used least lately goes first.
        max_pixels: of one picture.
        max_all_pixels: of all that are held.
        initial: number of the method that the page begins with.
        precision: of the preview; what the page saves is computed in float32.
    """

    def __init__(
        self,
        methods: Sequence[Colorizer],
        max_pictures: int = MAX_PICTURES,
        max_pixels: int = MAX_PIXELS,
        max_all_pixels: int = MAX_ALL_PIXELS,
        initial: int = 0,
        precision: Precision = "float32",
    ) -> None:
        self.methods, self.initial = methods, initial
        self._previewers = [
            method if isinstance(method.colors, ExportedColors) else method.at(precision)
            for method in methods
        ]
        self.max_pictures, self.max_pixels = max_pictures, max_pixels
        self.max_all_pixels = max_all_pixels
        self._opened: OrderedDict[str, Opened] = OrderedDict()
        self._lock = threading.RLock()
        self._folder = tempfile.TemporaryDirectory(prefix="crosschroma-ui-")

    def close(self) -> None:
        """Forget all pictures and remove the temporary folder, whatever is being computed."""
        self._opened.clear()
        self._folder.cleanup()

    def describe(self) -> list[dict[str, Any]]:
        """The methods, for the page."""
        return [
            {
                "id": number,
                "name": title(method),
                "input": input_of(method),
                "initial": number == self.initial,
                "domain": method.domain,
                "takes_hints": method.takes_hints,
                "suggests": method.suggests,
                "palette": "histogram" if method.colors.takes_global_hints else "spread",
                "weights_sha256": method.origin.weights_sha256 if method.origin else "",
            }
            for number, method in enumerate(self.methods)
        ]

    def open(self, name: str, data: bytes) -> tuple[str, Guess]:
        """Hold a picture.

        Args:
            name: of its file; folders in it are dropped.
            data: the file.

        Returns:
            What names it from now on, hard to guess; and what kind of picture it seems to be.

        Raises:
            DataError: no picture, or too large a one.
        """
        name = PureWindowsPath(PurePosixPath(name).name).name[:200] or "picture"
        with self._lock:
            picture = self._read(name, data, managed=True)
            guess = guess_kind([picture.levels])
            height, width = picture.levels.shape[:2]
            token = secrets.token_urlsafe(16)
            self._opened[token] = Opened(name, data, height * width, picture, True)
            while (
                len(self._opened) > self.max_pictures
                or sum(one.pixels for one in self._opened.values()) > self.max_all_pixels
            ) and len(self._opened) > 1:
                self._opened.popitem(last=False)
        return token, guess

    def prepare(self, token: str, number: int) -> dict[str, Any]:
        """Sizes (width, height): of the picture, of the view, and as the method sees it.

        Raises:
            GoneError: the picture is no longer held.
            UserError: no such method, here as below.
        """
        with self._lock:
            full, view = self._prepared(token, number)
            sizes = {
                "picture": full.size,
                "view": tuple(view.plane.shape[-2:]),
                "network": tuple(full.small.shape[-2:]),
            }
        return {name: [width, height] for name, (height, width) in sizes.items()}

    def shown_input(self, token: str, number: int) -> bytes:
        """What the method is given, as PNG of the view's size."""
        with self._lock:
            return _png(self.methods[number].shown_input(self._prepared(token, number)[1]))

    def preview(self, token: str, number: int, asked: Any) -> bytes:
        """The result as the page shows it, a PNG of the view's size.

        Args:
            token: the picture.
            number: of the method.
            asked: points, palette and strength as in a hints file, decoded.

        Raises:
            DataError: ``asked`` is not such a thing.
        """
        hints = hints_from_plain(asked, "the page")
        with self._lock:
            view = self._prepared(token, number)[1]
            return _png(_result(self._previewers[number], view, hints, np.dtype(np.uint8)))

    def suggestions(self, token: str, number: int, asked: Any, x: float, y: float) -> list[Any]:
        """Likely colours at a pixel of the picture, given the hints: a, b and share of each."""
        hints = hints_from_plain(asked, "the page")
        with self._lock:
            full, _ = self._prepared(token, number)
            suggestions = self.methods[number].suggest(full, x, y, hints.points, hints.palette)
        return [{"a": one.a, "b": one.b, "share": one.share} for one in suggestions]

    def picture(self, token: str, number: int, asked: Any) -> bytes:
        """The result at full size, the bytes of the PNG that ``crosschroma colorize`` writes."""
        hints = hints_from_plain(asked, "the page")
        with self._lock:
            full, _ = self._prepared(token, number)
            picture = self._opened[token].decoded
            rgb = _result(self.methods[number], full, hints, picture.levels.dtype)
        return encode(picture, rgb)

    def hints(self, token: str, number: int, asked: Any) -> str:
        """The hints file that makes ``crosschroma colorize`` write the same picture again."""
        hints = hints_from_plain(asked, "the page")
        with self._lock:
            (height, width), name = self._prepared(token, number)[0].size, self._opened[token].name
        method = self.methods[number].origin
        return hints_text(replace(hints, picture=(width, height), name=name, method=method))

    def palette(self, name: str, data: bytes) -> Palette:
        """The palette of a reference picture.

        Raises:
            DataError: as ``open``.
        """
        with self._lock:
            return Palette.of(self._read(name, data, managed=True).levels, name[:200])

    def _prepared(self, token: str, number: int) -> tuple[PreparedPicture, PreparedPicture]:
        """The picture as a method sees it, at full size and at the view's."""
        if not 0 <= number < len(self.methods):
            raise UserError(f"method {number}: there are {len(self.methods)}, from 0")
        if token not in self._opened:
            raise GoneError("the picture is no longer held; open it again")
        self._opened.move_to_end(token)
        opened, method = self._opened[token], self.methods[number]
        if opened.managed != method.managed:
            opened.decoded = self._read(opened.name, opened.data, method.managed)
            opened.managed, opened.prepared = method.managed, None
        if opened.prepared is None or opened.prepared[0] != number:
            full = method.prepare(opened.decoded.levels)
            opened.prepared = number, full, replace(full.shrunk(VIEW))
        return opened.prepared[1:]

    def _read(self, name: str, data: bytes, managed: bool) -> Picture:
        """Decode as ``crosschroma colorize`` does, from a file."""
        path = Path(self._folder.name) / "upload"
        path.write_bytes(data)
        try:
            self._check_pixels(path)
            return read_picture(path, managed)
        except UserError as error:
            raise DataError(str(error).replace(str(path), name)) from error
        finally:
            path.unlink()

    def _check_pixels(self, path: Path) -> None:
        """Refuse a large picture by its header, before it is decoded."""
        if _stored_pixels(path) > self.max_pixels:
            raise DataError(
                f"{path} has more than {self.max_pixels / 1e6:g} million pixels; make it smaller, "
                "or use `crosschroma colorize`"
            )


def _stored_pixels(path: Path) -> float:
    """The pixels that a file says it has; 0 where it is no picture, which decoding will name.

    Of a TIFF that only OpenCV opens, levels in numbers of ``_LARGEST_PIXEL`` bytes, if these are
    more.
    """
    try:
        with Image.open(path) as image:
            return image.width * image.height
    except Image.DecompressionBombError:
        return float("inf")
    except Exception:  # a broken file makes Pillow raise nearly anything
        pass
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            pixels = page.imagewidth * page.imagelength
            size = pixels * page.imagedepth * page.samplesperpixel * page.bitspersample / 8
            return max(pixels, size / _LARGEST_PIXEL)
    except Exception:  # no TIFF, or as broken
        return 0


def preview_precision(device: str) -> Precision:
    """Of what the page shows: the fastest that this machine has without getting ready for it."""
    return "bfloat16" if device == "cpu" and multiplies_bfloat16() else "float32"


def _result(
    method: Colorizer, prepared: PreparedPicture, hints: Hints, dtype: np.dtype
) -> np.ndarray:
    colors = method.predict(prepared, hints.points, hints.palette)
    return method.render(prepared, colors, 1.0 if hints.strength is None else hints.strength, dtype)


def _png(rgb: np.ndarray) -> bytes:
    """Fast rather than small: it travels within one machine."""
    done, encoded = cv2.imencode(
        ".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1]
    )
    if not done:
        raise UserError("the picture cannot be written as a PNG")
    return encoded.tobytes()
