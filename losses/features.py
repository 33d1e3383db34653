"""A feature loss that needs no trained network: local descriptors at several scales."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .structural import channel_cosine_loss

_SCALES = (1, 2, 4, 8)
_SIDE = 3


def descriptors(image: Tensor, scale: int) -> Tensor:
    """The 3x3 neighbourhood of every pixel of the image averaged over ``scale`` x ``scale`` cells.

    Args:
        image: BCHW; each side at least ``scale``.
        scale: cell side in pixels.

    Returns:
        B(9C)hw: for every channel the neighbourhood's mean, then the eight neighbours' differences
        from their centre.
    """
    coarse = F.avg_pool2d(image, scale) if scale > 1 else image
    padded = F.pad(coarse, (1, 1, 1, 1), mode="replicate")
    height, width = coarse.shape[-2:]
    shifted = [
        padded[..., i : i + height, j : j + width] for i in range(_SIDE) for j in range(_SIDE)
    ]
    middle = shifted.pop(len(shifted) // 2)
    mean = (middle + sum(shifted)) / _SIDE**2
    return torch.cat([mean, *(neighbour - middle for neighbour in shifted)], dim=1)


def feature_loss(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Distance of local descriptors at 1, 1/2, 1/4 and 1/8 of the size: squared error and angle.

    It stands where ColorMamba's released code compares the features of a frozen autoencoder, which
    was trained on satellite reflectance in six bands and is fed the RGB image twice. What that
    asks for (agreement of local structure and of its direction in feature space, at scales up to
    1/8) is asked for here by fixed descriptors, and no weights are downloaded.

    Differs: the features are the neighbourhoods of ``descriptors``, not learned ones.

    Args:
        prediction: BCHW in [0,1] (or any range that both share).
        target: BCHW.

    Returns:
        Mean squared error of the descriptors, and 1 - mean cosine of the angle between them (black
        neighbourhoods have no direction and count with cos = 0); both averaged over the scales
        that fit.
    """
    prediction, target = prediction.float(), target.float()
    squared, angle = [], []
    for scale in _SCALES:
        if min(target.shape[-2:]) < scale:
            continue
        ours, true = descriptors(prediction, scale), descriptors(target, scale)
        squared.append(F.mse_loss(ours, true))
        angle.append(channel_cosine_loss(ours, true))
    return torch.stack(squared).mean(), torch.stack(angle).mean()
