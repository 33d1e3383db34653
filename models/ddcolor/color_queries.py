"""Colour queries: learnt vectors that look at an image's maps and each paint one map of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...datasets.base.errors import UserError

_LONGEST = 10_000  # wavelength of the slowest sine, in units of the fastest's


def sine_positions(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Sines and cosines of each place's row (first half of the channels) and column.

    Row i of H is at the angle 2 pi (i + 1) / H, slowed down geometrically from pair to pair by up
    to 10,000; channels alternate sine and cosine of an angle.

    Paper: Vaswani et al. 2017, section 3.5; Carion et al. 2020 (DETR), appendix A.4, for images.

    Args:
        height: H.
        width: W.
        channels: C, a multiple of 4.
        device: of the result.

    Returns:
        (HW, C) float32.
    """
    pairs = channels // 4
    slower = _LONGEST ** (torch.arange(pairs, device=device) / pairs)
    halves = []
    for count, view in ((height, (height, 1, -1)), (width, (1, width, -1))):
        turn = 2 * math.pi * torch.arange(1, count + 1, device=device) / count
        angle = turn[:, None] / slower
        half = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
        halves.append(half.view(view).expand(height, width, -1))
    return torch.cat(halves, dim=-1).flatten(0, 1)


class ColorQueryDecoder(nn.Module):
    """Queries attend in turn to three scales and to each other, then paint the finest pixels.

    Paper: Kang et al. 2023 (DDColor), section 3.3: cross-attention before self-attention, both
    normalised after the sum; the maps are the products of the queries with the pixels' features.

    Args:
        in_channels: of the maps, the coarsest first.
        pixel_channels: of the pixels' features.
        queries: Q, their number.
        width: their channels.
        heads: of every attention.
        feedforward: hidden channels behind every attention.
        layers: layer i looks at map i modulo their number.

    Raises:
        UserError: ``width`` is no multiple of 4 and of ``heads``.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        pixel_channels: int,
        queries: int,
        width: int,
        heads: int,
        feedforward: int,
        layers: int,
    ) -> None:
        super().__init__()
        if width % 4 or width % heads:
            raise UserError(
                f"colour queries of {width} channels with {heads} heads: the channels must be a "
                "multiple of 4 and of the heads (--method.query-width, --method.heads)"
            )
        self.content = nn.Embedding(queries, width)
        self.place = nn.Embedding(queries, width)
        self.level = nn.Embedding(len(in_channels), width)
        self.project = nn.ModuleList(_projection(channels, width) for channels in in_channels)
        self.layers = nn.ModuleList(_QueryLayer(width, heads, feedforward) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.color = nn.Sequential(
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, pixel_channels),
        )
        self.width = width

    def forward(self, maps: list[Tensor], pixels: Tensor) -> Tensor:
        """Paint.

        Args:
            maps: BC'hw of each scale, the coarsest first.
            pixels: BCHW, a feature at every pixel.

        Returns:
            BQHW, a map of each query.
        """
        values, keys = [], []
        for index, (project, feature) in enumerate(zip(self.project, maps, strict=True)):
            value = project(feature).flatten(2).transpose(1, 2) + self.level.weight[index]
            height, width = feature.shape[-2:]
            values.append(value)
            keys.append(value + sine_positions(height, width, self.width, value.device))
        batch = pixels.shape[0]
        queries = self.content.weight.expand(batch, -1, -1)
        places = self.place.weight.expand(batch, -1, -1)
        for index, layer in enumerate(self.layers):
            scale = index % len(maps)
            queries = layer(queries, places, keys[scale], values[scale])
        return torch.einsum("bqc,bchw->bqhw", self.color(self.norm(queries)), pixels)


class _QueryLayer(nn.Module):
    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.cross_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.cross_norm = nn.LayerNorm(width)
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.self_norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, feedforward)
        self.narrow = nn.Linear(feedforward, width)
        self.norm = nn.LayerNorm(width)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, queries: Tensor, places: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        attended = self.cross_attention(queries + places, keys, values, need_weights=False)[0]
        queries = self.cross_norm(queries + attended)
        placed = queries + places
        shared = self.self_attention(placed, placed, queries, need_weights=False)[0]
        queries = self.self_norm(queries + shared)
        return self.norm(queries + self.narrow(F.relu(self.wide(queries))))


def _projection(in_channels: int, width: int) -> nn.Module:
    conv = nn.Conv2d(in_channels, width, 1)
    nn.init.kaiming_uniform_(conv.weight, a=1)
    nn.init.zeros_(cast(Tensor, conv.bias))
    return conv
