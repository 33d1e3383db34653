"""Colourfulness: the formula that metric and loss share, and the loss that asks for more of it."""

from __future__ import annotations

import torch
from torch import Tensor

_FLOOR = 1e-2  # of the squared levels under a root: its gradient is finite for a gray image


def hasler_susstrunk(rgb: Tensor, absolute: bool = False, floor: float = 0.0) -> Tensor:
    """CF = sqrt(var rg + var yb) + 0.3 sqrt(mean rg² + mean yb²), one value an image, (B,).

    The opponents are rg = R - G and yb = (R + G)/2 - B in 0-255, the variances the population's.

    Paper: Hasler and Süsstrunk, Measuring Colourfulness in Natural Images, SPIE 2003, section 3.

    Args:
        rgb: B3HW sRGB in [0,1].
        absolute: take ``|rg|`` and ``|yb|`` before mean and variance, as CT2's and DDColor's code.
        floor: added under both roots, in squared levels; 0 has an infinite slope at gray.
    """
    red, green, blue = (255 * rgb).unbind(1)
    opponents = torch.stack([red - green, (red + green) / 2 - blue], dim=1)
    if absolute:
        opponents = opponents.abs()
    var, mean = torch.var_mean(opponents, dim=(2, 3), correction=0)
    return (var.sum(1) + floor).sqrt() + 0.3 * (mean.square().sum(1) + floor).sqrt()


def colorfulness_loss(rgb_hat: Tensor) -> Tensor:
    """Mean of 1 - CF/100: lower the more colourful the images are; it looks at no target.

    Paper: Kang et al. 2023 (DDColor), section 3.4, with the magnitudes of the opponents that its
    code takes.
    Differs: that code sums 1 - CF/255 over the images of a GPU, which at its 4 images weighs 1.6
    times as much; here the mean leaves the weight independent of the batch.

    Args:
        rgb_hat: B3HW sRGB in [0,1].

    Returns:
        Scalar in float32, about -1 to 1; 1 for gray images, where its gradient is finite.
    """
    return (1 - hasler_susstrunk(rgb_hat.float(), absolute=True, floor=_FLOOR) / 100).mean()
