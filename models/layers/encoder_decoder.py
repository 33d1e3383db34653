"""An image classifier as encoder, and a decoder of double convolutions with skips on it."""

from __future__ import annotations

from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .double_conv import double_conv
from .encoders import Encoder, averages_to_eval, build_encoder
from .norms import Norm

_CAP = 8  # most channels of the decoder, in multiples of its width
_STEM = 16  # channels at full resolution, where encoders have none


class EncoderDecoder(nn.Module):
    """An encoder's maps, joined from the coarsest to the finest by pairs of convolutions.

    Args:
        encoder: see ``encoders.build_encoder``.
        out_channels: planes put out, without a bound.
        width: channels at full resolution, doubled at every halving up to eightfold.
        dropout: share of the coarsest map's channels left out in training.
        norm: normalisation after each of the decoder's pairs of convolutions.
        frozen_averages: keep the encoder's BatchNorm averages in training.
        finest: image side over the side of the output, a power of two.
    """

    def __init__(
        self,
        encoder: str,
        out_channels: int,
        width: int,
        dropout: float,
        norm: Norm,
        frozen_averages: bool,
        finest: int = 1,
    ) -> None:
        super().__init__()
        self.frozen_averages, self.finest = frozen_averages, finest
        self.encoder = build_encoder(encoder)
        maps = cast(Encoder, self.encoder)
        skips = dict(zip(maps.reductions, maps.widths, strict=True))
        if finest == 1:
            self.stem = nn.Sequential(nn.Conv2d(1, _STEM, 3, padding=1), nn.ReLU())
            skips = {1: _STEM, **skips}
        coarsest = max(skips)
        below = self.coarsest_channels = skips.pop(coarsest)
        self.dropout = nn.Dropout2d(dropout)
        self.narrow, self.decoder = nn.ModuleDict(), nn.ModuleDict()
        scale = coarsest // 2
        while scale >= finest:
            channels = width * min(scale, _CAP)
            self.narrow[str(scale)] = nn.Conv2d(below, channels, 1)
            self.decoder[str(scale)] = double_conv(channels + skips.get(scale, 0), channels, norm)
            below, scale = channels, scale // 2
        self.head = nn.Conv2d(below, out_channels, 3, padding=1)
        self.stride = coarsest

    def train(self, mode: bool = True) -> Self:
        """As ever, but for the encoder's averages where these are frozen."""
        super().train(mode)
        if self.frozen_averages:
            averages_to_eval(self.encoder)
        return self

    def encode(self, plane: Tensor) -> list[Tensor]:
        """B1HW in [-1,1], sides multiples of ``stride``, to maps, the coarsest last."""
        *finer, coarsest = cast(Encoder, self.encoder)(plane)
        stem = [self.stem(plane)] if self.finest == 1 else []
        return [*stem, *finer, self.dropout(coarsest)]

    def decode(self, maps: list[Tensor]) -> Tensor:
        """The maps of ``encode`` to ``out_channels`` planes."""
        *finer, feature = maps
        reductions = cast(Encoder, self.encoder).reductions[:-1]
        # a timm encoder may have a map at full size, which counts instead of the stem's
        scales = (1, *reductions) if self.finest == 1 else reductions
        skips = dict(zip(scales, finer, strict=True))
        for scale, block in self.decoder.items():
            feature = self.narrow[scale](feature)
            feature = F.interpolate(feature, scale_factor=2, mode="bilinear", align_corners=False)
            skip = skips.get(int(scale))
            feature = block(feature if skip is None else torch.cat([feature, skip], dim=1))
        return self.head(feature)

    def forward(self, plane: Tensor) -> Tensor:
        """B1HW in [-1,1], sides multiples of ``stride``: BCHW at 1/``finest`` of the size."""
        return self.decode(self.encode(plane))
