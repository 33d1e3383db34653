"""Pixel losses between a prediction and a target of one shape, with an optional mask."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from ..datasets.base.errors import UserError, unknown

PixelLoss = Literal["l1", "mse", "huber"]


def pixel_loss(
    kind: PixelLoss,
    prediction: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    huber_delta: float = 1.0,
) -> Tensor:
    """Mean L1, squared or Huber error.

    Args:
        kind: ``l1`` |e|, ``mse`` e^2, or ``huber``: e^2/2 up to ``huber_delta``, then linear
            (Huber 1964; Zhang et al. 2017, section 3.1 takes delta = 1 ab unit).
        prediction: BCHW in the units of ``target``.
        target: BCHW.
        valid: B1HW {0,1}; pixels that count. ``None`` counts all.
        huber_delta: the kink, in the units of the tensors.

    Returns:
        Scalar; 0 when no pixel counts.

    Raises:
        UserError: unknown ``kind``.
    """
    if kind == "l1":
        error = (prediction - target).abs()
    elif kind == "mse":
        error = (prediction - target).square()
    elif kind == "huber":
        error = F.huber_loss(prediction, target, reduction="none", delta=huber_delta)
    else:
        raise UserError(unknown("pixel loss", kind, PixelLoss.__args__))
    if valid is None:
        return error.mean()
    weight = valid.expand_as(error)
    return (error * weight).sum() / weight.sum().clamp(min=1)
