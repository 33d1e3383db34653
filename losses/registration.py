"""Supervision by pairs whose two images are a few pixels apart."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_BLUR = 3  # cells in which an image is compared, so that the choice is not one of noise


def best_shifted(prediction: Tensor, target: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Each target moved by the whole-pixel shift that suits its prediction best, both cut to fit.

    A pair that is off by some pixels asks a network for an image that its input does not show, and
    the least error is a blurred one. Here the network may paint in place, and the target is moved
    to it; the choice itself gets no gradient.

    Args:
        prediction: BCHW.
        target: BCHW.
        radius: the largest shift along either axis; 0 leaves both as they are.

    Returns:
        Prediction and target, BC(H - 2 radius)(W - 2 radius).
    """
    if radius == 0:
        return prediction, target
    height, width = (side - 2 * radius for side in target.shape[-2:])
    inner = prediction[..., radius : radius + height, radius : radius + width]
    with torch.no_grad():
        ours = F.avg_pool2d(inner.detach().float(), _BLUR, 1)
        errors = []
        for top in range(2 * radius + 1):
            for left in range(2 * radius + 1):
                moved = target[..., top : top + height, left : left + width].float()
                difference = ours - F.avg_pool2d(moved, _BLUR, 1)
                errors.append(difference.square().mean((1, 2, 3)))
        best = torch.stack(errors).argmin(0).tolist()
    side = 2 * radius + 1
    moved = [
        image[:, b // side : b // side + height, b % side : b % side + width]
        for image, b in zip(target, best, strict=True)
    ]
    return inner, torch.stack(moved)
