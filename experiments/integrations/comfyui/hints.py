# pyright: reportMissingImports=false
"""Masks and a colour as hints: points with which a method is told the colour of a region."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import cv2
import numpy as np
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.inference.hints_file import hints_from_plain
from crosschroma.models.color.hint_points import HintPoint
from torch import Tensor

_HEX = re.compile(r"#?([0-9a-fA-F]{6})")
_LEVEL = 0.5  # of a mask: above it a pixel belongs to the region


class MaskHint(NamedTuple):
    """A point with a colour.

    Attributes:
        x: of the point, as a share of the picture's width: a mask may be of another size.
        y: likewise of its height.
        rgb: 8-bit sRGB, whose luminance does not count.
        size: side of the coloured square, in pixels of the picture as the network sees it, 1 to 9.
    """

    x: float
    y: float
    rgb: tuple[int, int, int]
    size: int


def mask_hints(mask: Tensor, color: str, size: int, spacing: float) -> list[list[MaskHint]]:
    """Hints on the regions of masks.

    Points lie on a grid; a region that no point of the grid hits gets one in its middle.

    Args:
        mask: HW or BHW in [0,1].
        color: ``#rrggbb``.
        size: see ``MaskHint``.
        spacing: of the grid, as a share of the mask's short side.

    Returns:
        A list for each mask.

    Raises:
        UserError: no such colour, or an empty mask.
    """
    match = _HEX.fullmatch(color.strip())
    if match is None:
        raise UserError(f"color {color}: must be #rrggbb, such as #b43c28")
    red, green, blue = bytes.fromhex(match[1])
    masks = (mask if mask.ndim == 3 else mask[None]).detach().cpu().numpy() > _LEVEL
    if not masks.any():
        raise UserError("the mask of the hints is empty; paint the region that gets the colour")
    return [
        [MaskHint(x, y, (red, green, blue), size) for x, y in _points(region, spacing)]
        for region in masks
    ]


def hint_points(hints: list[MaskHint], height: int, width: int) -> tuple[HintPoint, ...]:
    """Hints in the pixels of a picture."""
    plain: list[dict[str, Any]] = [
        {
            "x": max(hint.x * width - 0.5, 0.0),  # the middle of the first pixel is 0
            "y": max(hint.y * height - 0.5, 0.0),
            "rgb": list(hint.rgb),
            "size": hint.size,
        }
        for hint in hints
    ]
    return hints_from_plain(plain, "the hints").points


def _points(region: np.ndarray, spacing: float) -> list[tuple[float, float]]:
    """Shares of the width and height of points within a region, H x W bool."""
    height, width = region.shape
    step = max(1, round(spacing * min(height, width)))
    grid = np.zeros_like(region)
    grid[step // 2 :: step, step // 2 :: step] = True
    count, labels = cv2.connectedComponents(region.astype(np.uint8))
    hit = set(np.unique(labels[grid & region]).tolist())
    places = list(np.argwhere(grid & region))
    for label in set(range(1, count)) - hit:
        depth = cv2.distanceTransform((labels == label).astype(np.uint8), cv2.DIST_L2, 3)
        places.append(np.array(np.unravel_index(int(depth.argmax()), depth.shape)))
    return [((x + 0.5) / width, (y + 0.5) / height) for y, x in places]
