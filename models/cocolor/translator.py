"""A small residual network from one plane to another of the same scene: NIR to gray, or back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..base.padding import pad_and_crop
from ..layers.norms import norm_layer

_STRIDE = 4
_EDGE = 0.01  # levels nearer to 0 or 1 start from here: the logit of 0 is infinite


class Translator(nn.Module):
    """Two stride-2 convolutions, residual blocks, two upsamplings; it corrects the given plane.

    The output is sigmoid(logit(plane) + correction): always inside (0,1), and near the given plane
    before training, as NIR and gray of one scene mostly agree.

    Paper: Yang, Chen, Yang 2023 (CoColor), the bilateral domain translation module.
    Differs: its layers are not public. This is the residual generator of Zhu et al. 2017
    (CycleGAN, section 7.2), with 3x3 convolutions at full resolution, bilinear upsampling, and the
    correction instead of a plane made from nothing.

    Args:
        width: channels at full resolution; four times as many in the blocks.
        blocks: residual blocks at a quarter of the size.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_layer(1, width),
            *_layer(width, 2 * width, stride=2),
            *_layer(2 * width, 4 * width, stride=2),
            *(_Residual(4 * width) for _ in range(blocks)),
            *_layer(4 * width, 2 * width, up=True),
            *_layer(2 * width, width, up=True),
            nn.Conv2d(width, 1, 3, padding=1),
        )

    def forward(self, plane: Tensor) -> Tensor:
        """B1HW in [0,1], any H and W, to B1HW in (0,1)."""

        def translated(source: Tensor) -> Tensor:
            correction = self.body(2 * source - 1)
            return torch.sigmoid(torch.logit(source, _EDGE) + correction)

        return pad_and_crop(translated, plane, _STRIDE)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_layer(channels, channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            norm_layer("instance", channels),
        )

    def forward(self, feature: Tensor) -> Tensor:
        return feature + self.body(feature)


def _layer(inputs: int, outputs: int, stride: int = 1, up: bool = False) -> list[nn.Module]:
    upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return [
        *([upsample] if up else []),
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        norm_layer("instance", outputs),
        nn.ReLU(),
    ]
