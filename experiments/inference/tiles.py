"""A picture too large for one pass: overlapping tiles whose seams are blended."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def tiled(
    function: Callable[[Tensor, int, int], Tensor], image: Tensor, side: int, overlap: int
) -> Tensor:
    """``function`` of an image, whole where it fits into a tile, else tile by tile.

    Where tiles overlap their results are mixed by weights that fall linearly towards each tile's
    border, so that no seam is a step. All tiles have the same size.

    Args:
        function: from BCHW, and the row and column at which it begins in the image, to BC'HW of the
            same H and W.
        image: BCHW of any size.
        side: the largest height and width that ``function`` is given.
        overlap: pixels that neighbours share at least; less than ``side``.
    """
    height, width = image.shape[-2:]
    if max(height, width) <= side:
        return function(image, 0, 0)
    rows, columns = min(side, height), min(side, width)
    weight = _ramp(rows, overlap)[:, None] * _ramp(columns, overlap)
    weight = weight.to(image.device)
    total = image.new_zeros(height, width)
    out: Tensor | None = None
    for top in starts(height, side, overlap):
        for left in starts(width, side, overlap):
            place = (..., slice(top, top + rows), slice(left, left + columns))
            piece = function(image[place], top, left)
            if out is None:
                out = piece.new_zeros(*piece.shape[:2], height, width)
            out[place] += weight * piece
            total[place] += weight
    assert out is not None
    return out.div_(total)


def starts(length: int, side: int, overlap: int) -> list[int]:
    """Where tiles of ``side`` begin along an axis, spread evenly, the last one at its end."""
    if length <= side:
        return [0]
    gaps = -(-(length - side) // (side - overlap))
    return [round(index * (length - side) / gaps) for index in range(gaps + 1)]


def _ramp(length: int, overlap: int) -> Tensor:
    position = torch.arange(1, length + 1, dtype=torch.float32)
    return (torch.minimum(position, length + 1 - position) / (overlap + 1)).clamp_max(1)
