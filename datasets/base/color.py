"""Colour conversions: torch for training and metrics, numba for loading.

sRGB is in [0,1] (IEC 61966-2-1 curve); Lab is CIE L*a*b* for D65 and the 2 degree observer, L in
[0,100] and a, b in CIE units; HSV is in [0,1], the hue a fraction of the circle. The matrix, the
white point and the linear toe are those of scikit-image, so that results agree with it; OpenCV's
float Lab is up to 0.47 away from both (it interpolates a table) and is not used.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

AB_SCALE = 110.0  # a and b are divided by this wherever a network sees them
LUMA = (0.299, 0.587, 0.114)  # of R, G and B in sRGB levels; ITU-R BT.601

_WHITE = np.array([0.95047, 1.0, 1.08883])
_RGB_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_TO_RELATIVE = _RGB_TO_XYZ / _WHITE[:, None]  # linear RGB -> XYZ over the white
_FROM_RELATIVE = np.linalg.inv(_RGB_TO_XYZ) * _WHITE
_TOE_SLOPE, _TOE_OFFSET = 7.787, 16.0 / 116.0  # f(t) below 0.008856
_TOE_END, _TOE_END_F = 0.008856, 0.2068966

# At L = 100 and ab = 0 the rounded matrix gives 1 + 2e-5: white itself must count as in gamut.
_GAMUT_SLACK = 5e-5
_BISECTIONS = 12  # leaves 1/4096 of the chroma

Gamut = Literal["clip", "chroma", "none"]


def srgb_to_linear(rgb: Tensor) -> Tensor:
    """Linear light from sRGB, any shape; negative values go on linearly."""
    rgb = _at_least_float32(rgb)
    # clamped inside the power: `where` alone would pass on the NaN gradient of the other branch
    power = ((rgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(rgb > 0.04045, power, rgb / 12.92)


def linear_to_srgb(linear: Tensor) -> Tensor:
    """sRGB from linear light, any shape; nothing is clipped."""
    linear = _at_least_float32(linear)
    power = 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, power, linear * 12.92)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """CIE Lab (D65) from sRGB, differentiable with finite gradients everywhere.

    Args:
        rgb: B3HW (or 3HW) in [0,1]; half precision is computed in float32.

    Returns:
        The same shape: L in [0,100], a and b in CIE units; at most 1e-4 from scikit-image.
    """
    xyz = _mix(srgb_to_linear(rgb), _TO_RELATIVE)
    f = torch.where(
        xyz > _TOE_END, xyz.clamp_min(_TOE_END) ** (1 / 3), _TOE_SLOPE * xyz + _TOE_OFFSET
    )
    fx, fy, fz = f.unbind(-3)
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], dim=-3)


def lab_to_rgb(lab: Tensor, gamut: Gamut = "clip") -> Tensor:
    """sRGB from CIE Lab (D65), differentiable.

    Args:
        lab: B3HW (or 3HW), L in [0,100], a and b in CIE units.
        gamut: what becomes of colours outside sRGB. ``clip``: each of R, G, B is cut to [0,1],
            which changes L and the hue a little. ``chroma``: L and hue stay, the chroma shrinks
            to the largest that fits (the shrinking counts as a constant for gradients).
            ``none``: values outside [0,1] are returned as they are.
    """
    lab = _at_least_float32(lab)
    if gamut == "chroma":
        lab = _shrink_chroma(lab)
    rgb = linear_to_srgb(_lab_to_linear(lab))
    return rgb if gamut == "none" else rgb.clamp(0, 1)


def rgb_to_hsv(rgb: Tensor) -> Tensor:
    """HSV in [0,1] from sRGB B3HW (or 3HW) in [0,1]; the hue of a gray is 0, its gradient too."""
    rgb = _at_least_float32(rgb)
    red, green, blue = rgb.unbind(-3)
    value = rgb.amax(-3)
    chroma = value - rgb.amin(-3)
    divisor = torch.where(chroma > 0, chroma, 1.0)
    sector = torch.where(
        red == value,
        (green - blue) / divisor,
        torch.where(green == value, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    hue = torch.where(chroma > 0, (sector / 6).remainder(1.0), 0.0)
    saturation = chroma / torch.where(value > 0, value, 1.0)
    return torch.stack([hue, saturation, value], dim=-3)


def hsv_to_rgb(hsv: Tensor) -> Tensor:
    """sRGB from HSV B3HW (or 3HW) in [0,1]; the hue is periodic."""
    hue, saturation, value = _at_least_float32(hsv).unbind(-3)
    channels = []
    for turn in (5, 3, 1):
        distance = (turn + 6 * hue).remainder(6.0)
        weight = torch.minimum(distance, 4 - distance).clamp(0, 1)
        channels.append(value - value * saturation * weight)
    return torch.stack(channels, dim=-3)


def _at_least_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _mix(planes: Tensor, matrix: np.ndarray) -> Tensor:
    # written out: einsum would run in bfloat16 under autocast and in TF32 on a GPU, an error of
    # several units of ab
    x, y, z = planes.unbind(-3)
    rows = [float(p) * x + float(q) * y + float(r) * z for p, q, r in matrix]
    return torch.stack(rows, dim=-3)


def _lab_to_linear(lab: Tensor) -> Tensor:
    lightness, a, b = lab.unbind(-3)
    fy = (lightness + 16) / 116
    f = torch.stack([fy + a / 500, fy, fy - b / 200], dim=-3)
    relative = torch.where(f > _TOE_END_F, f**3, (f - _TOE_OFFSET) / _TOE_SLOPE)
    return _mix(relative, _FROM_RELATIVE)


@torch.no_grad()
def _fits(lab: Tensor) -> Tensor:
    linear = _lab_to_linear(lab)
    # the lower slack is smaller: near black L changes 903 units per unit of linear light
    inside = (linear >= -_GAMUT_SLACK / 50) & (linear <= 1 + _GAMUT_SLACK)
    return inside.all(-3, keepdim=True)


def _shrink_chroma(lab: Tensor) -> Tensor:
    lightness, ab = lab[..., :1, :, :].clamp(0, 100), lab[..., 1:, :, :]
    colours = torch.cat([lightness, ab], -3)
    fits = _fits(colours)
    if torch.jit.is_tracing():  # pyright: ignore
        scale = torch.where(fits, 1.0, _largest_scale(colours))
    else:  # most pixels of a picture fit: search only for the others
        scale, outside = torch.ones_like(lightness), ~fits
        colors = colours.movedim(-3, 0)[:, outside.squeeze(-3)]
        scale[outside] = _largest_scale(colors[:, None]).flatten()
    return torch.cat([lightness, scale * ab], -3)


@torch.no_grad()
def _largest_scale(lab: Tensor) -> Tensor:
    """The factor on a and b, within [0,1], that brings each colour just inside sRGB."""
    lightness, ab = lab[..., :1, :, :], lab[..., 1:, :, :]
    low, high = torch.zeros_like(lightness), torch.ones_like(lightness)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        inside = _fits(torch.cat([lightness, middle * ab], -3))
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return low


_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS > 0.04045, ((_LEVELS + 0.055) / 1.055) ** 2.4, _LEVELS / 12.92)
_LINEAR_F32 = _LINEAR.astype(np.float32)
_MATRIX_F32 = _TO_RELATIVE.astype(np.float32)
_TOE_F32 = (np.float32(_TOE_END), np.float32(_TOE_SLOPE), np.float32(_TOE_OFFSET))
_BLOCK = 2**14  # pixels, whose planes fit into the cache
# of a process, for which importing numba would take longer than numpy does
_BEFORE_NUMBA = 2**24
_pixels_seen = 0


def lab_from_uint8(rgb: np.ndarray) -> np.ndarray:
    """CIE Lab of an 8-bit sRGB image, for loading: one thread, no GIL, at most 5e-4 from exact.

    Args:
        rgb: H x W x 3 uint8.

    Returns:
        H x W x 3 float32 (L, a, b), a view of planar memory: ``transpose(2, 0, 1)`` is contiguous.
    """
    from .lab_kernels import lab_kernel

    height, width, _ = rgb.shape
    lab = np.empty((3, height * width), np.float32)
    pixels = np.ascontiguousarray(rgb).reshape(-1, 3)
    lab_kernel(pixels, _LINEAR_F32, _MATRIX_F32, _TOE_F32, lab)
    return lab.reshape(3, height, width).transpose(1, 2, 0)


def lightness_from_uint8(rgb: np.ndarray) -> np.ndarray:
    """L*/100 in [0,1], H x W float32, of 8-bit sRGB H x W x 3 or gray levels H x W.

    As exact as ``lab_from_uint8``. A process that sees few pictures does without numba, and gets
    the same numbers.
    """
    global _pixels_seen
    if rgb.ndim == 2:
        grays = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
        return _lightness(grays)[rgb]
    height, width, _ = rgb.shape
    pixels = np.ascontiguousarray(rgb).reshape(-1, 3)
    _pixels_seen += len(pixels)
    out = np.empty(len(pixels), np.float32)
    if _pixels_seen > _BEFORE_NUMBA:
        from .lab_kernels import lightness_kernel

        lightness_kernel(pixels, _LINEAR_F32, _MATRIX_F32, _TOE_F32, out)
    else:
        for start in range(0, len(pixels), _BLOCK):
            out[start : start + _BLOCK] = _lightness(pixels[start : start + _BLOCK])
    return out.reshape(height, width)


def _lightness(pixels: np.ndarray) -> np.ndarray:
    """N x 3 uint8 to L*/100 by numpy, rounded where ``lightness_kernel`` rounds."""
    red, green, blue = _LINEAR_F32[pixels.T]
    r, g, b = _MATRIX_F32[1]
    y = _rounded_once(b, blue, _rounded_once(r, red, g * green))
    third = y.view(np.int32).astype(np.float32) * np.float32(1 / 3)
    root = (third.astype(np.int32) + np.int32(709921077)).view(np.float32)
    with np.errstate(invalid="ignore"):  # 0 / 0 of black, which the toe has
        for _ in range(2):
            cube = root * root * root
            root = root * (cube + y + y) / (cube + cube + y)
    end, slope, offset = _TOE_F32
    f = np.where(y > end, root, _rounded_once(slope, y, offset))
    return _rounded_once(np.float32(1.16), f, np.float32(-0.16)).clip(0, 1)


def _rounded_once(a: np.floating, x: np.ndarray, b: np.ndarray | np.floating) -> np.ndarray:
    """Float32 a x + b as processors with a fused product and sum compute it."""
    return (np.multiply(a, x, dtype=np.float64) + b).astype(np.float32)
