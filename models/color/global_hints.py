"""Colours asked for of a whole picture: its histogram of ab bins and its mean saturation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...datasets.base.color import rgb_to_hsv, rgb_to_lab
from .ab_bins import BINS, ab_bins, soft_encode

HISTOGRAM, SATURATION = BINS + 1, 2  # each with a last number that says whether it is given
GLOBAL_HINTS = HISTOGRAM + SATURATION
_POOLED = 4  # pixels along a side whose mean colour counts once


def global_hints(rgb: Tensor, histogram: bool = True, saturation: bool = True) -> Tensor:
    """What a picture says of the colours that another one is to have.

    Paper: Zhang et al. 2017, section 3.3.

    Args:
        rgb: B3HW in [0,1], at least 4 x 4 pixels: the truth in training, a reference for a user.
        histogram: give its shares of the 313 ab bins, after averaging ab over 4 x 4 pixels.
        saturation: give its mean saturation (HSV).

    Returns:
        B x 316, as ``Batch["global_hints"]``: 313 shares, 1 for given; saturation, 1 for given.
        What is not given is 0.
    """
    out = rgb.new_zeros(len(rgb), GLOBAL_HINTS)
    if histogram:
        ab = F.avg_pool2d(rgb_to_lab(rgb)[:, 1:], _POOLED)
        numbers, _ = soft_encode(ab, ab_bins().to(rgb.device), 1, 1.0)
        for row, numbers_of_row in zip(out, numbers, strict=True):
            counts = torch.bincount(numbers_of_row.flatten(), minlength=BINS)
            row[:BINS] = counts / numbers_of_row.numel()
        out[:, BINS] = 1
    if saturation:
        out[:, HISTOGRAM] = rgb_to_hsv(rgb)[:, 1].mean((1, 2))
        out[:, HISTOGRAM + 1] = 1
    return out


def drop_at_random(hints: Tensor, share: float) -> Tensor:
    """Take the histogram, and apart from it the saturation, from a ``share`` of B x 316 hints."""
    kept = (torch.rand(len(hints), 2) >= share).to(hints)
    widths = torch.tensor([HISTOGRAM, SATURATION], device=hints.device)
    return hints * kept.repeat_interleave(widths, dim=1)


class GlobalHintsNetwork(nn.Module):
    """From global hints to what is added to the main network's fourth block.

    Paper: Zhang et al. 2017, section 3.3: four layers of 512.

    Args:
        channels: of the fourth block, and of every layer here.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.histogram = nn.Linear(HISTOGRAM, channels)
        self.saturation = nn.Linear(SATURATION, channels)
        layers: list[nn.Module] = [nn.ReLU(), nn.BatchNorm1d(channels)]
        for _ in range(3):
            layers += [nn.Linear(channels, channels), nn.ReLU(), nn.BatchNorm1d(channels)]
        self.layers = nn.Sequential(*layers)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, hints: Tensor) -> Tensor:
        """B x 316 to B x C x 1 x 1."""
        histogram, saturation = hints.split([HISTOGRAM, SATURATION], dim=1)
        return self.layers(self.histogram(histogram) + self.saturation(saturation))[..., None, None]
