"""fastai's dynamic U-Net: PixelShuffle blocks that climb from any encoder's maps to full size."""

from __future__ import annotations

from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...datasets.base.errors import UserError
from .encoders import Encoder, build_encoder
from .pixel_shuffle import PixelShuffleUp
from .self_attention import SelfAttention

FirstConv = Literal["summed", "learned"]
_HEAD_STD = 0.005  # of the last weights; the common 0.06 begins at 50 units of ab


class DynamicUNet(nn.Module):
    """A U-Net on an encoder: its width in every block follows from the maps that meet there.

    The coarsest map passes two convolutions; each block doubles the size by PixelShuffle, joins
    the encoder's next finer map and convolves twice; the last step to full size joins the input
    itself. On ResNet18 the blocks put out 512, 384, 256 and 96 channels.

    Source: fastai's ``DynamicUnet`` (Howard and Gugger), which DeOldify and the students' projects
    on ResNet18 use. Paper: Ronneberger et al. 2015, section 2; He et al. 2015 (initialisation).
    Differs: tanh at the end, for colours in [-1,1], and before it weights so small that colours
    begin about 10 units from gray, where tanh has its slope.

    Args:
        encoder: see ``encoders.build_encoder``; maps at 1/2, 1/4, ... without a gap.
        out_channels: planes put out.
        first_conv: how one plane enters a network of RGB. ``summed``: its first kernels are summed
            over RGB; ``learned``: a 1x1 convolution in front makes three planes, at first equal.
        attention: self-attention in the second block but one from the full size (at 1/8 in
            ResNet18).
        blur: a 2x2 mean after every PixelShuffle.
        in_channels: planes given.

    Raises:
        UserError: the encoder's maps leave out a halving.
    """

    def __init__(
        self,
        encoder: str,
        out_channels: int,
        first_conv: FirstConv,
        attention: bool,
        blur: bool,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        learned = first_conv == "learned"
        self.encoder = build_encoder(encoder, in_channels=3 if learned else in_channels)
        self.first = nn.Conv2d(in_channels, 3, 1) if learned else nn.Identity()
        if learned:
            nn.init.ones_(cast(nn.Conv2d, self.first).weight)
            nn.init.zeros_(cast(Tensor, self.first.bias))
        maps = cast(Encoder, self.encoder)
        if maps.reductions != tuple(2**level for level in range(1, len(maps.reductions) + 1)):
            raise UserError(
                f"encoder {encoder}: its maps are at 1/{', 1/'.join(map(str, maps.reductions))}; "
                "the U-Net needs one at every halving, as ResNets and SqueezeNet have them"
            )
        *finer, below = maps.widths
        self.middle = nn.Sequential(
            nn.BatchNorm2d(below),
            nn.ReLU(),
            _conv(below, 2 * below),
            nn.ReLU(),
            _conv(2 * below, below),
            nn.ReLU(),
        )
        self.blocks = nn.ModuleList()
        for index, skip in reversed(list(enumerate(finer))):
            attends = attention and len(self.blocks) == max(len(finer) - 3, 0)
            block = _Block(below, skip, final=index == 0, attention=attends, blur=blur)
            self.blocks.append(block)
            below = block.out_channels
        self.up = PixelShuffleUp(below, below, blur=blur)
        self.residual = _Residual(below + in_channels)
        self.head = nn.Conv2d(below + in_channels, out_channels, 1)
        nn.init.normal_(self.head.weight, std=_HEAD_STD)
        nn.init.zeros_(cast(Tensor, self.head.bias))
        self.stride = maps.reductions[-1]
        self.coarsest_channels = maps.widths[-1]

    def encode(self, plane: Tensor) -> list[Tensor]:
        """B1HW in [-1,1], sides multiples of ``stride``, to maps, the coarsest last."""
        *finer, coarsest = self.encoder(self.first(plane))
        return [plane, *finer, self.middle(coarsest)]

    def decode(self, maps: list[Tensor]) -> Tensor:
        """The maps of ``encode`` to BCHW in [-1,1]."""
        plane, *finer, feature = maps
        for block, skip in zip(self.blocks, reversed(finer), strict=True):
            feature = block(feature, skip)
        return torch.tanh(self.head(self.residual(torch.cat([self.up(feature), plane], dim=1))))

    def forward(self, plane: Tensor) -> Tensor:
        """B1HW in [-1,1], sides multiples of ``stride``: BCHW in [-1,1]."""
        return self.decode(self.encode(plane))


class _Block(nn.Module):
    """A coarser map at twice its size, joined with a skip; the final one halves the channels."""

    def __init__(self, below: int, skip: int, final: bool, attention: bool, blur: bool) -> None:
        super().__init__()
        self.up = PixelShuffleUp(below, below // 2, blur=blur)
        self.norm = nn.BatchNorm2d(skip)
        joined = below // 2 + skip
        self.out_channels = joined // 2 if final else joined
        self.convs = nn.Sequential(
            _conv(joined, self.out_channels),
            nn.ReLU(),
            _conv(self.out_channels, self.out_channels),
            nn.ReLU(),
            SelfAttention(self.out_channels) if attention else nn.Identity(),
        )

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        return self.convs(F.relu(torch.cat([self.up(below), self.norm(skip)], dim=1)))


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            _conv(channels, channels), nn.ReLU(), _conv(channels, channels), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.convs(x))


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight)
    nn.init.zeros_(cast(Tensor, conv.bias))
    return conv
