"""Colour profiles made of a matrix and curves, or of one gray curve: to sRGB and back.

Pillow's colour management knows 8-bit RGB only, so the few tags that cameras, editors and displays
write are read here: rXYZ, gXYZ, bXYZ, rTRC, gTRC, bTRC and kTRC (ICC.1:2022, sections 9.2, 10.6,
10.18 and 10.31). ``managed`` applies what a file says to its levels, for training, scores and
``colorize`` alike.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from PIL import Image, ImageCms

from ..base.color import linear_to_srgb, srgb_to_linear

_LEVELS = 65536
_BAND = 2**20  # pixels at a time
# linear sRGB -> XYZ of the D50 profile space (Bradford adaptation)
_SRGB_D50 = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)
_SRGB_PRIMARIES = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_D65 = (0.3127, 0.3290)
_USUAL_GAMMA, _NEAR = 2.2, 0.05  # what writers of PNG say for sRGB, and by how much they miss it
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

    @classmethod
    def of_gamma(
        cls,
        exponent: float | None,
        primaries: Sequence[float] | None = None,
        white: Sequence[float] = _D65,
    ) -> Profile | None:
        """That of a power curve, or sRGB's; ``None`` where it is sRGB.

        Args:
            exponent: linear light is levels to the power of it; about 2.2, and ``None``, are sRGB.
            primaries: CIE xy of red, green and blue; ``None`` for those of sRGB.
            white: CIE xy.
        """
        if exponent is not None and abs(exponent / _USUAL_GAMMA - 1) < _NEAR:
            exponent = None
        x = np.linspace(0, 1, _LEVELS)
        curve = srgb_to_linear(torch.from_numpy(x)).numpy() if exponent is None else x**exponent
        try:
            matrix = np.linalg.inv(_to_xyz(_SRGB_PRIMARIES, _D65)) @ _to_xyz(
                primaries or _SRGB_PRIMARIES, white
            )
        except (ZeroDivisionError, np.linalg.LinAlgError):
            matrix = np.eye(3)
        if not np.isfinite(matrix).all() or (matrix.sum(axis=1) <= 0).any():
            matrix = np.eye(3)
        profile = cls((curve,) * 3, matrix / matrix.sum(axis=1, keepdims=True))
        return None if profile.is_srgb else profile

    @cached_property
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
            levels: H x W x 3, or H x W for R = G = B; uint8, uint16 or float in [0,1].
        """
        out = np.empty(levels.shape, np.float32)
        step = max(1, _BAND // max(1, levels.shape[1]))
        for top in range(0, len(levels), step):
            index = _sixteen_bits(levels[top : top + step])
            if levels.ndim == 2:
                linear = self.curves[len(self.curves) // 2][index]
            else:
                curves = self.curves if len(self.curves) == 3 else self.curves * 3
                parts = [curve[index[..., i]] for i, curve in enumerate(curves)]
                linear = np.stack(parts, axis=-1) @ self.matrix.T
            srgb = linear_to_srgb(torch.from_numpy(linear.clip(0, 1)))
            out[top : top + step] = srgb.float().numpy()
        return out

    def from_srgb(self, rgb: np.ndarray) -> np.ndarray:
        """The profile's levels in [0,1], float32, of sRGB H x W x 3 in [0,1]; RGB profiles only."""
        linear = srgb_to_linear(torch.from_numpy(rgb).double()).numpy()
        linear = (linear @ np.linalg.inv(self.matrix).T).clip(0, 1)
        grid = np.linspace(0, 1, _LEVELS)
        parts = [np.interp(linear[..., i], curve, grid) for i, curve in enumerate(self.curves)]
        return np.stack(parts, axis=-1).astype(np.float32)


def managed(
    levels: np.ndarray,
    profile: Profile | None,
    icc: bytes | None = None,
    ink: np.ndarray | None = None,
) -> np.ndarray:
    """Levels as sRGB: float32 in [0,1] where they change, as they are where they are sRGB already.

    Args:
        levels: H x W or H x W x 3; uint8, uint16 or float32 in [0,1].
        profile: what colours they are. Gray levels with a profile of RGB are R = G = B, and equal
            channels with one of gray are gray; other colours with one of gray are a mistake of the
            writer, and stay.
        icc: where ``profile`` is ``None``, a profile of tables, which works at 8 bits; levels stay
            as they are where it is damaged.
        ink: H x W x 4 uint8, for a profile of CMYK.
    """
    if profile is None:
        return _from_tables(levels, icc, ink) if icc else levels
    single = levels.ndim == 2 or bool((levels == levels[..., :1]).all())
    if profile.is_srgb or (len(profile.curves) == 1 and not single):
        return levels
    return profile.to_srgb(levels)


def _from_tables(levels: np.ndarray, icc: bytes, ink: np.ndarray | None) -> np.ndarray:
    space = icc[16:20]
    if ink is not None and space == b"CMYK":
        image = Image.fromarray(ink, mode="CMYK")
    elif space == (b"GRAY" if levels.ndim == 2 else b"RGB "):
        top = np.iinfo(levels.dtype).max if levels.dtype.kind == "u" else 1
        plain = np.rint(levels.astype(np.float32) * (255 / top)).astype(np.uint8)
        image = Image.fromarray(plain)
    else:
        return levels
    try:
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(icc)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError):
        return levels
    return levels if converted is None else np.array(converted)


@lru_cache(maxsize=16)
def read_profile(data: bytes) -> Profile | None:
    """The profile of an ICC file; ``None`` when it is damaged or made of tables (such as CMYK)."""
    try:
        tags = _tags(data)
        if data[16:20] == b"GRAY":
            curve = _curve(tags[b"kTRC"])
            if data[20:24] == b"Lab ":  # the curve gives lightness
                curve = np.where(curve > 0.08, ((curve + 0.16) / 1.16) ** 3, curve / 9.033)
            return Profile((curve,), np.eye(3))
        if data[16:20] != b"RGB ":
            return None
        curves = tuple(_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
        columns = [_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
        matrix = np.linalg.inv(_SRGB_D50) @ np.stack(columns, axis=1)
        # the tags are rounded: white must stay white, or grays get a tint
        return Profile(curves, matrix / matrix.sum(axis=1, keepdims=True))
    except (KeyError, ValueError, struct.error, np.linalg.LinAlgError):
        return None


def _to_xyz(primaries: Sequence[float], white: Sequence[float]) -> np.ndarray:
    """Linear RGB to CIE XYZ, 3 x 3, white at Y = 1."""
    xy = [*zip(primaries[::2], primaries[1::2], strict=True), tuple(white)]
    columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in xy]).T
    return columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3])


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
