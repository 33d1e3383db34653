"""HSV as a regression target."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..datasets.base.color import rgb_to_hsv


def circular_hsv(rgb: Tensor) -> Tensor:
    """(s cos h, s sin h, v) of sRGB in [0,1]: hue without its seam, weighted by saturation.

    A gray pixel, whose hue means nothing, is (0, 0, v) whatever its hue; the error of a hue counts
    as far as the pixel has colour.

    Args:
        rgb: B3HW in [0,1].

    Returns:
        B3HW; the first two within the unit disk, v in [0,1].
    """
    hue, saturation, value = rgb_to_hsv(rgb).split(1, dim=1)
    angle = 2 * math.pi * hue
    return torch.cat([saturation * angle.cos(), saturation * angle.sin(), value], dim=1)


STRETCH_FLOOR = 1e-3 / 255  # the released code adds 0.001 to a range of 8-bit levels


def stretched(image: Tensor, floor: float = STRETCH_FLOOR) -> Tensor:
    """(x - min) / (max - min + floor) of each image over all its channels: BCHW, about [0,1].

    How the released code of ColorMamba normalises every image, its ground truth among them.
    """
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    return (image - low) / (high - low + floor)


def stretched_hsv(rgb: Tensor) -> Tensor:
    """The HSV target of ColorMamba's released code: 8-bit h, s, v stretched together.

    Its hue is a number between 0 and 1 with a seam at red.

    Args:
        rgb: B3HW in [0,1].

    Returns:
        B3HW, about [0,1].
    """
    # just above the level, because float32 may come out just below it
    levels = (255 * rgb_to_hsv((255 * rgb).round() / 255) + 1e-3).floor() / 255
    return stretched(levels)
