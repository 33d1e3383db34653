"""Pictures as arrays and tensors of any depth: checked, as planes, and written band by band."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from ...datasets.base.color import lab_to_rgb, lightness_from_uint8, rgb_to_lab
from ...datasets.base.errors import DataError
from .picture_file import quantised

BAND_PIXELS = 2**20  # the gamut search holds up to 190 bytes a pixel
_COLORED = 0.02  # mean spread of a pixel's channels: 0 in VCIP's NIR, .03 to .21 in its RGB
_LOOK = 512  # rows and columns that are looked at
_LEVELS = (np.dtype(np.uint8), np.dtype(np.uint16))


def of_tensor(image: Tensor, colored: Callable[[np.ndarray], np.ndarray]) -> Tensor:
    """A function of arrays, of a tensor or of each of a batch."""
    if image.ndim == 4:
        return torch.stack([of_tensor(one, colored) for one in image])
    channels = image.shape[0] if image.ndim == 3 else 1
    if image.ndim not in (2, 3) or channels not in (1, 3) or not image.is_floating_point():
        raise DataError(
            "a tensor must be float, HW, 1HW, 3HW, B1HW or B3HW, not "
            f"{image.dtype} of shape {tuple(image.shape)}"
        )
    levels = image.detach().float().cpu()
    array = levels.movedim(0, -1).numpy() if channels == 3 else levels.flatten(0, -2).numpy()
    rgb = torch.from_numpy(colored(array))
    return rgb.movedim(-1, 0).contiguous().to(image.device)


def checked(levels: np.ndarray) -> np.ndarray:
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


def lightness_of(levels: np.ndarray) -> np.ndarray:
    """L*/100 of sRGB levels, H x W float32 in [0,1]."""
    if levels.dtype == np.uint8:
        return lightness_from_uint8(levels)
    rgb = np.repeat(levels[..., None], 3, axis=2) if levels.ndim == 2 else levels
    height, width = rgb.shape[:2]
    gray = np.empty((height, width), np.float32)
    for rows in bands(height, width):
        unit = torch.from_numpy(quantised(rgb[rows], np.dtype(np.float32)))
        lab = rgb_to_lab(unit.permute(2, 0, 1))
        gray[rows] = (lab[0] / 100).clamp(0, 1).numpy()
    return gray


def nir_of(levels: np.ndarray) -> np.ndarray:
    """NIR levels, H x W float32 in [0,1]; the mean of three channels."""
    unit = quantised(levels, np.dtype(np.float32))
    return np.ascontiguousarray(unit if unit.ndim == 2 else unit.mean(axis=2))


def is_colored(levels: np.ndarray) -> bool:
    """Whether a picture has colours, which a NIR image has not."""
    if levels.ndim == 2:
        return False
    down, right = (max(1, side // _LOOK) for side in levels.shape[:2])
    unit = quantised(levels[::down, ::right], np.dtype(np.float32))
    return bool(np.ptp(unit, axis=2).mean() > _COLORED)


def bands(height: int, width: int) -> Iterator[slice]:
    """Rows of a picture, about ``BAND_PIXELS`` at a time."""
    step = max(1, BAND_PIXELS // width)
    return (slice(top, top + step) for top in range(0, height, step))


def write_rows(out: np.ndarray, rows: slice, rgb: Tensor) -> None:
    """Put 13HW in [0,1] into rows of a picture, at its depth."""
    levels = rgb[0].permute(1, 2, 0).cpu().numpy()
    out[rows] = quantised(levels, out.dtype)


def ab_of(colors: Tensor) -> Tensor:
    """The CIE ab of B2HW ab, or of B3HW sRGB in [0,1]."""
    return rgb_to_lab(colors)[:, 1:] if colors.shape[1] == 3 else colors


def with_chroma(rgb: Tensor, strength: float) -> Tensor:
    """B3HW sRGB in [0,1] with its CIE ab times ``strength``, within the gamut."""
    lab = rgb_to_lab(rgb)
    return lab_to_rgb(torch.cat([lab[:, :1], strength * lab[:, 1:]], dim=1), gamut="chroma")
