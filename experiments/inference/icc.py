"""ICC profiles made of a matrix and curves, or of one gray curve: to sRGB and back at any depth.

Pillow's colour management knows 8-bit RGB only, so the few tags that cameras, editors and displays
write are read here: rXYZ, gXYZ, bXYZ, rTRC, gTRC, bTRC and kTRC (ICC.1:2022, sections 9.2, 10.6,
10.18 and 10.31).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import torch

from ...datasets.base.color import linear_to_srgb, srgb_to_linear

_LEVELS = 65536
# linear sRGB -> XYZ of the D50 profile space (Bradford adaptation)
_SRGB_D50 = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)
_PARAMETERS = (1, 3, 4, 5, 7)  # of the parametric curves 0 to 4
_SAME = 1.5 / 255  # writers of sRGB profiles round its colours differently


@dataclass(frozen=True)
class Profile:
    """An RGB or gray profile.

    Attributes:
        curves: linear light at each of 65536 levels; three for RGB, one for gray.
        matrix: linear profile RGB to linear sRGB, 3 x 3; the identity for gray.
    """

    curves: tuple[np.ndarray, ...]
    matrix: np.ndarray

    @property
    def is_srgb(self) -> bool:
        """Whether it is sRGB to about an 8-bit level."""
        if len(self.curves) != 3:
            return False
        steps = np.linspace(0, 1, 9, dtype=np.float32)
        cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 9, 3)
        return bool(np.abs(self.to_srgb(cube) - cube).max() < _SAME)

    def to_srgb(self, levels: np.ndarray) -> np.ndarray:
        """sRGB in [0,1], float32, of the profile's levels; colours beyond sRGB are cut.

        Args:
            levels: H x W x 3 for RGB, H x W for gray; uint8, uint16 or float in [0,1].
        """
        index = _sixteen_bits(levels)
        if len(self.curves) == 1:
            linear = self.curves[0][index]
        else:
            parts = [curve[index[..., i]] for i, curve in enumerate(self.curves)]
            linear = np.stack(parts, axis=-1) @ self.matrix.T
        return linear_to_srgb(torch.from_numpy(linear.clip(0, 1))).float().numpy()

    def from_srgb(self, rgb: np.ndarray) -> np.ndarray:
        """The profile's levels in [0,1], float32, of sRGB H x W x 3 in [0,1]; RGB profiles only."""
        linear = srgb_to_linear(torch.from_numpy(rgb).double()).numpy()
        linear = (linear @ np.linalg.inv(self.matrix).T).clip(0, 1)
        grid = np.linspace(0, 1, _LEVELS)
        parts = [np.interp(linear[..., i], curve, grid) for i, curve in enumerate(self.curves)]
        return np.stack(parts, axis=-1).astype(np.float32)


def read_profile(data: bytes) -> Profile | None:
    """The profile of an ICC file; ``None`` when it is damaged or made of tables (such as CMYK)."""
    try:
        tags = _tags(data)
        if data[16:20] == b"GRAY":
            return Profile((_curve(tags[b"kTRC"]),), np.eye(3))
        if data[16:20] != b"RGB ":
            return None
        curves = tuple(_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
        columns = [_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
        matrix = np.linalg.inv(_SRGB_D50) @ np.stack(columns, axis=1)
        # the tags are rounded: white must stay white, or grays get a tint
        return Profile(curves, matrix / matrix.sum(axis=1, keepdims=True))
    except (KeyError, ValueError, struct.error, np.linalg.LinAlgError):
        return None


def _sixteen_bits(levels: np.ndarray) -> np.ndarray:
    if levels.dtype == np.uint8:
        return levels.astype(np.uint16) * 257
    if levels.dtype == np.uint16:
        return levels
    return np.rint(levels * (_LEVELS - 1)).astype(np.uint16)


def _tags(data: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", data, 128)
    if count > 1000:
        raise ValueError("no ICC profile has so many tags")
    rows = [struct.unpack_from(">4sII", data, 132 + 12 * index) for index in range(count)]
    return {name: data[start : start + size] for name, start, size in rows}


def _xyz(tag: bytes) -> np.ndarray:
    if tag[:4] != b"XYZ ":
        raise ValueError("no XYZ tag")
    return np.array(struct.unpack_from(">3i", tag, 8)) / 65536


def _curve(tag: bytes) -> np.ndarray:
    """Linear light at 65536 even levels, never falling."""
    x = np.linspace(0, 1, _LEVELS)
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        values = np.frombuffer(tag, ">u2", count, 12)
        if count == 0:
            curve = x
        elif count == 1:
            curve = x ** (values[0] / 256)
        else:
            curve = np.interp(x, np.linspace(0, 1, count), values / 65535)
    elif tag[:4] == b"para":
        curve = _parametric(tag, x)
    else:
        raise ValueError("no curve")
    if not np.isfinite(curve).all():
        raise ValueError("the curve is not finite")
    return np.maximum.accumulate(curve.clip(0, 1))


def _parametric(tag: bytes, x: np.ndarray) -> np.ndarray:
    (kind,) = struct.unpack_from(">H", tag, 8)
    if kind >= len(_PARAMETERS):
        raise ValueError("unknown parametric curve")
    parameters = np.array(struct.unpack_from(f">{_PARAMETERS[kind]}i", tag, 12)) / 65536
    g, a, b, c, d, e, f = [*parameters, *[1, 1, 0, 0, 0, 0, 0][len(parameters) :]]
    if kind in (1, 2):  # the break is where the power begins; c is added on both sides
        c, d, e, f = 0, -b / a, c, c
    power = np.maximum(a * x + b, 0) ** g + e
    return np.where(x >= d, power, c * x + f)
