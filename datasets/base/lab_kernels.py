"""CIE Lab of 8-bit sRGB, compiled by numba; ``color`` has what they are called with."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled


@compiled
def _f(t: Any, toe: Any) -> Any:
    """The cube root of CIE Lab with its linear toe, for a float32 in [0, 1.01]."""
    # a third of the exponent is within 4 %; two Halley steps leave float32's own rounding
    third = np.float32(np.float32(t).view(np.int32)) * np.float32(1 / 3)
    root = np.int32(np.int32(third) + np.int32(709921077)).view(np.float32)
    for _ in range(2):
        cube = root * root * root
        root = root * (cube + t + t) / (cube + cube + t)
    end, slope, offset = toe
    return root if t > end else slope * t + offset


_BLOCK = 512  # pixels; looking levels up apart from the arithmetic lets the arithmetic vectorise


@compiled
def _look_up(rgb: np.ndarray, linear: np.ndarray, block: np.ndarray) -> None:
    for i in range(rgb.shape[0]):
        for c in range(3):
            block[c, i] = linear[rgb[i, c]]


@compiled
def lab_kernel(
    rgb: np.ndarray, linear: np.ndarray, m: np.ndarray, toe: Any, lab: np.ndarray
) -> None:
    """N x 3 uint8 to L, a, b (3 x N): by level to linear light, XYZ's matrix, the toe."""
    block = np.empty((3, _BLOCK), np.float32)
    for start in range(0, rgb.shape[0], _BLOCK):
        stop = min(start + _BLOCK, rgb.shape[0])
        _look_up(rgb[start:stop], linear, block)
        red, green, blue = block
        lightness, a, b = lab[0, start:stop], lab[1, start:stop], lab[2, start:stop]
        for i in range(stop - start):
            fx = _f(m[0, 0] * red[i] + m[0, 1] * green[i] + m[0, 2] * blue[i], toe)
            fy = _f(m[1, 0] * red[i] + m[1, 1] * green[i] + m[1, 2] * blue[i], toe)
            fz = _f(m[2, 0] * red[i] + m[2, 1] * green[i] + m[2, 2] * blue[i], toe)
            lightness[i] = np.float32(116) * fy - np.float32(16)
            a[i] = np.float32(500) * (fx - fy)
            b[i] = np.float32(200) * (fy - fz)


@compiled
def lightness_kernel(
    rgb: np.ndarray, linear: np.ndarray, m: np.ndarray, toe: Any, out: np.ndarray
) -> None:
    """The same to L / 100 (N), within [0,1]."""
    block = np.empty((3, _BLOCK), np.float32)
    for start in range(0, rgb.shape[0], _BLOCK):
        stop = min(start + _BLOCK, rgb.shape[0])
        _look_up(rgb[start:stop], linear, block)
        red, green, blue = block
        part = out[start:stop]
        for i in range(stop - start):
            fy = _f(m[1, 0] * red[i] + m[1, 1] * green[i] + m[1, 2] * blue[i], toe)
            value = np.float32(1.16) * fy - np.float32(0.16)  # 1e-7 beyond [0,1] by rounding
            part[i] = min(max(value, np.float32(0)), np.float32(1))
