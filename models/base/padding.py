"""Any image size through a network that needs a multiple of its stride."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def pad_and_crop(network: Callable[[Tensor], Tensor], image: Tensor, stride: int) -> Tensor:
    """Run ``network`` on ``image`` mirrored out to a multiple of ``stride``; crop the output back.

    Args:
        network: maps BCHW to BC'HW of the same H and W.
        image: BCHW of any size, also smaller than half the stride.
        stride: 1 leaves the image as it is.
    """
    height, width = image.shape[-2:]
    top, rows = _mirrored(height, stride)
    left, columns = _mirrored(width, stride)
    if len(rows) != height:
        image = image[..., rows.to(image.device), :]
    if len(columns) != width:
        image = image[..., columns.to(image.device)]
    return network(image)[..., top : top + height, left : left + width]


def _mirrored(length: int, stride: int) -> tuple[int, Tensor]:
    """Start of the image in the padded axis, and for each padded position its source position."""
    # not -(-length // stride): ONNX divides towards zero
    padded = (length + stride - 1) // stride * stride
    start = (padded - length) // 2
    if length == 1:
        return start, torch.zeros(padded, dtype=torch.long)
    period = 2 * (length - 1)
    position = (torch.arange(padded) - start) % period
    return start, torch.minimum(position, period - position)
