"""From a trained method and a picture of any size to colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..datasets.color import lab_to_rgb, lightness_from_uint8, rgb_to_lab
from ..datasets.decode import MIN_SIDE
from ..datasets.errors import DataError, UserError
from ..models.hints import HintPoint, points_to_hints
from ..models.system import ColorizationSystem
from .exported_file import ExportedColors, is_exported, load_exported
from .method_colors import MethodColors
from .picture_file import from_pil, quantised, to_pil
from .shipped import load_any
from .tiles import tiled
from .upsample import guided_upsample, resized

BAND_PIXELS = 2**20  # the gamut search holds some 190 bytes a pixel
TILE = 1024  # for methods that say no size
_MAX_STRENGTH = 3.0
_LEVELS = (np.dtype(np.uint8), np.dtype(np.uint16))

Pictured = TypeVar("Pictured", Image.Image, np.ndarray, Tensor)


class Colorizer:
    """A trained method as a function from a picture to a coloured picture of its size.

    Gray input keeps its luminance at full resolution: the network sees the picture with its short
    side at ``size``, and only the ab that it makes is enlarged, guided by that luminance. NIR
    input has no luminance to keep: the network sees the picture as it is (or at ``size``), and
    pictures with a side beyond ``tile`` in overlapping, blended tiles.

    Args:
        system: a method whose ``colorize`` needs only ``gray`` or only ``nir``, or an exported one.
        size: the short side at which the network sees pictures, in pixels; smaller pictures are
            not enlarged. ``None``: always the picture's own.
        device: where to compute.
        tile: the largest side that the network is given at once; neighbours share an eighth.
    """

    def __init__(
        self,
        system: ColorizationSystem | ExportedColors,
        size: int | None,
        device: str | torch.device = "cpu",
        tile: int = TILE,
    ) -> None:
        method = isinstance(system, ColorizationSystem)
        self.colors = (MethodColors(system) if method else system).to(device).eval()
        self.domain = system.domain
        self.size = size
        self.device = torch.device(device)
        self.tile = tile

    @classmethod
    def load(
        cls,
        run: Path | str,
        which: str = "result",
        device: str = "cpu",
        output: str | None = None,
        size: int | None = None,
    ) -> Colorizer:
        """From a run's folder, a checkpoint, a file of ``ship`` or ``export``, or a shipped name.

        A gray method sees pictures at the size that it was evaluated at, a NIR method at their own
        up to four times that size, beyond it in tiles; ``size`` is another short side for either.
        ``output`` and errors are those of ``shipped.load_any``.
        """
        if size is not None and size < MIN_SIDE:
            raise UserError(f"size {size}: must be {MIN_SIDE} pixels or more")
        if is_exported(Path(run)):
            system = load_exported(Path(run))
            known = system.size
        else:
            trained = load_any(run, which, output)
            system, known = trained.system, trained.experiment.eval_view.size
        if size is None and system.domain == "gray":
            size = known
        return cls(system, size, device, 4 * known if known else TILE)

    @torch.no_grad()
    def __call__(
        self, image: Pictured, *, strength: float = 1.0, hints: Sequence[HintPoint] = ()
    ) -> Pictured:
        """Colour one picture, or a batch of tensors of one size.

        Args:
            image: an image of Pillow, of any mode; its orientation, alpha and ICC profile are
                taken over. Or an array H x W or H x W x 3, uint8, uint16 or float in [0,1]. Or a
                tensor HW, 1HW, 3HW, B1HW or B3HW, float in [0,1]. Three channels are sRGB, whose
                L* a gray method sees and whose mean a NIR method; one is gray levels in sRGB
                encoding, or NIR.
            strength: factor on the colours' chroma: 0 is gray, 1 as the method makes them.
            hints: colours given at points, in pixels of the upright picture.

        Returns:
            sRGB of the same kind: an 8-bit image (RGB or RGBA, in the given profile), an array
            H x W x 3 of the same dtype, or a tensor 3HW or B3HW on the same device.

        Raises:
            DataError: no such picture.
            UserError: a strength out of range, or hints for a method that takes none.
        """
        if not 0 <= strength <= _MAX_STRENGTH:
            raise UserError(
                f"strength {strength}: must be 0 (gray) to {_MAX_STRENGTH:g}; 1 is usual"
            )
        if hints and not self.colors.takes_hints:
            raise UserError(f"{self.colors.name} takes no hints; zhang17 does")
        if isinstance(image, Image.Image):
            picture = from_pil(image, self.managed)
            colored = to_pil(picture, self._levels(picture.levels, strength, hints))
        elif isinstance(image, Tensor):
            colored = self._tensor(image, strength, hints)
        else:
            colored = self._levels(image, strength, hints)
        return cast(Pictured, colored)

    @property
    def managed(self) -> bool:
        """Whether pictures' levels are colours, to be read through their ICC profile."""
        return self.domain == "gray"

    def given(self, levels: np.ndarray) -> np.ndarray:
        """What the method is given of a picture, as gray levels H x W x 3, uint8."""
        if self.domain == "nir":
            plane = quantised(_plane(_checked(levels)), np.dtype(np.uint8))
            return np.repeat(plane[..., None], 3, axis=2)
        gray = _lightness(_checked(levels))
        out = np.empty((*levels.shape[:2], 3), np.uint8)
        for rows in _bands(*gray.shape):
            band = torch.from_numpy(gray[rows])[None, None]
            _write(out, rows, lab_to_rgb(torch.cat([100 * band, band * 0, band * 0], dim=1)))
        return out

    def _tensor(self, image: Tensor, strength: float, hints: Sequence[HintPoint]) -> Tensor:
        if image.ndim == 4:
            return torch.stack([self._tensor(one, strength, hints) for one in image])
        channels = image.shape[0] if image.ndim == 3 else 1
        if image.ndim not in (2, 3) or channels not in (1, 3) or not image.is_floating_point():
            raise DataError(
                "a tensor must be float, HW, 1HW, 3HW, B1HW or B3HW, not "
                f"{image.dtype} of shape {tuple(image.shape)}"
            )
        levels = image.detach().float().cpu()
        array = levels.movedim(0, -1).numpy() if channels == 3 else levels.flatten(0, -2).numpy()
        rgb = self._levels(array, strength, hints)
        return torch.from_numpy(rgb).movedim(-1, 0).contiguous().to(image.device)

    def _levels(
        self, levels: np.ndarray, strength: float, hints: Sequence[HintPoint]
    ) -> np.ndarray:
        levels = _checked(levels)
        out = np.empty((*levels.shape[:2], 3), levels.dtype)
        if self.domain == "gray":
            self._from_gray(_lightness(levels), strength, hints, out)
        else:
            self._from_nir(_plane(levels), strength, hints, out)
        return out

    def _from_gray(
        self, plane: np.ndarray, strength: float, hints: Sequence[HintPoint], out: np.ndarray
    ) -> None:
        gray = torch.from_numpy(plane)[None, None].to(self.device)
        small = self._shrunk(gray)
        ab = self._colored(small, gray.shape[-2:], hints)
        if small.shape != gray.shape:
            ab = guided_upsample(ab, small, gray)
        for rows in _bands(*plane.shape):
            lab = torch.cat([100 * gray[:, :, rows], strength * ab[:, :, rows]], dim=1)
            _write(out, rows, lab_to_rgb(lab, gamut="chroma"))

    def _from_nir(
        self, plane: np.ndarray, strength: float, hints: Sequence[HintPoint], out: np.ndarray
    ) -> None:
        nir = torch.from_numpy(plane)[None, None].to(self.device)
        rgb = self._colored(self._shrunk(nir), nir.shape[-2:], hints)
        rgb = resized(rgb, nir.shape[-2:]).clamp(0, 1)
        for rows in _bands(*plane.shape):
            band = rgb[:, :, rows]
            _write(out, rows, band if strength == 1 else _with_chroma(band, strength))

    def _colored(
        self, plane: Tensor, picture: tuple[int, ...], hints: Sequence[HintPoint]
    ) -> Tensor:
        """The colours of a plane, in tiles where it is large; ``picture``: its size before."""
        height, width = plane.shape[-2:]
        given = plane
        if hints:
            marks = points_to_hints(hints, height, width, (picture[0], picture[1]))
            given = torch.cat([plane, marks.to(plane.device)], dim=1)

        def network(image: Tensor) -> Tensor:
            return self.colors(image[:, :1], image[:, 1:] if hints else None).float()

        return tiled(network, given, self.tile, self.tile // 8)

    def _shrunk(self, plane: Tensor) -> Tensor:
        height, width = plane.shape[-2:]
        if self.size is None or min(height, width) <= self.size:
            return plane
        scale = self.size / min(height, width)
        return resized(plane, (round(height * scale), round(width * scale))).clamp(0, 1)


def _checked(levels: np.ndarray) -> np.ndarray:
    """An array that is a picture; floats as float32.

    Raises:
        DataError: it is none.
    """
    shaped = levels.ndim == 2 or (levels.ndim == 3 and levels.shape[2] == 3)
    if (
        not shaped
        or 0 in levels.shape
        or (levels.dtype.kind != "f" and levels.dtype not in _LEVELS)
    ):
        raise DataError(
            "a picture must be H x W or H x W x 3 of uint8, uint16 or float, not "
            f"{levels.dtype} of shape {levels.shape}"
        )
    if levels.dtype.kind != "f":
        return levels
    low, high = float(levels.min()), float(levels.max())
    if not (low >= 0 and high <= 1):
        raise DataError(
            f"the picture has float levels in [{low:g}, {high:g}]; scale them to [0, 1]"
        )
    return levels.astype(np.float32)


def _lightness(levels: np.ndarray) -> np.ndarray:
    """L*/100 of sRGB levels, H x W float32 in [0,1]."""
    rgb = np.repeat(levels[..., None], 3, axis=2) if levels.ndim == 2 else levels
    if rgb.dtype == np.uint8:
        return lightness_from_uint8(rgb)
    height, width = rgb.shape[:2]
    gray = np.empty((height, width), np.float32)
    for rows in _bands(height, width):
        unit = torch.from_numpy(quantised(rgb[rows], np.dtype(np.float32)))
        lab = rgb_to_lab(unit.permute(2, 0, 1))
        gray[rows] = (lab[0] / 100).clamp(0, 1).numpy()
    return gray


def _plane(levels: np.ndarray) -> np.ndarray:
    """NIR levels, H x W float32 in [0,1]; the mean of three channels."""
    unit = quantised(levels, np.dtype(np.float32))
    return np.ascontiguousarray(unit if unit.ndim == 2 else unit.mean(axis=2))


def _with_chroma(rgb: Tensor, strength: float) -> Tensor:
    lab = rgb_to_lab(rgb)
    return lab_to_rgb(torch.cat([lab[:, :1], strength * lab[:, 1:]], dim=1), gamut="chroma")


def _bands(height: int, width: int) -> Iterator[slice]:
    step = max(1, BAND_PIXELS // width)
    return (slice(top, top + step) for top in range(0, height, step))


def _write(out: np.ndarray, rows: slice, rgb: Tensor) -> None:
    """Put 13HW in [0,1] into rows of a picture, at its depth."""
    levels = rgb[0].permute(1, 2, 0).cpu().numpy()
    out[rows] = quantised(levels, out.dtype)
