"""How the results of several colorizers become one: weights at every pixel, exchanged features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

_PLANES = 4  # of each path: RGB, and the plane that its colorizer saw


class PathFusion(nn.Module):
    """Weighs the results of several paths at every pixel; before training they weigh the same.

    Paper: Yang, Chen, Yang 2023 (CoColor), fusion at pixel level.
    Differs: its operator is not public. Here two 3x3 convolutions and a 1x1 convolution see all
    results with the planes they were made from, and a softmax makes convex weights, so that each
    pixel lies between the results.

    Args:
        paths: for each head, by its name, the number of paths that it weighs.
        width: channels of the convolutions.
    """

    def __init__(self, paths: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({name: _head(count, width) for name, count in paths.items()})

    def forward(self, name: str, rgb: Sequence[Tensor], planes: Sequence[Tensor]) -> Tensor:
        """Fuse K results.

        Args:
            name: the head.
            rgb: K times B3HW in [0,1].
            planes: K times B1HW in [0,1], what each path's colorizer was given.

        Returns:
            B3HW in [0,1].
        """
        logits = self.heads[name](2 * torch.cat([*rgb, *planes], dim=1) - 1)
        weights = logits.float().softmax(dim=1).unsqueeze(2)
        return (weights * torch.stack(list(rgb), dim=1).float()).sum(1)


class FeatureExchange(nn.Module):
    """What the coarsest map of one colorizer gains from that of the other, for both directions.

    Before training it is 0.

    Paper: Yang, Chen, Yang 2023 (CoColor), fusion at feature level.
    Differs: its operator is not public. Here a 1x1 convolution joins both maps, channels are
    weighted by what the whole image shows (Hu et al. 2018, section 3), and a second 1x1
    convolution makes the map to be added.

    Args:
        directions: names of the directions; each has weights of its own.
        channels: of either map.
    """

    def __init__(self, directions: Sequence[str], channels: int) -> None:
        super().__init__()
        self.directions = nn.ModuleDict({name: _Gain(channels) for name in directions})

    def forward(self, direction: str, feature: Tensor, other: Tensor) -> Tensor:
        """BChw and BChw to what is added to ``feature``, BChw."""
        return self.directions[direction](torch.cat([feature, other], dim=1))


class _Gain(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.join = nn.Sequential(nn.Conv2d(2 * channels, channels, 1), nn.ReLU())
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1), nn.Sigmoid()
        )
        self.out = _zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, both: Tensor) -> Tensor:
        joined = self.join(both)
        return self.out(self.attention(joined) * joined)


def _head(paths: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(_PLANES * paths, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        _zeroed(nn.Conv2d(width, paths, 1)),
    )


def _zeroed(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(conv.weight)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv
