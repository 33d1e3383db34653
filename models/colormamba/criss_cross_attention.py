"""Criss-cross attention: every pixel attends to its own row and column."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_CHUNK = 2**24  # attention weights at a time


class CrissCrossFusion(nn.Module):
    """Features attend along rows and columns to values made of a guide, and are mixed with it.

    out = gamma * attention(feature, guide) + mix([feature, guide]).

    Paper: Huang et al. 2019 (CCNet), section 3.2, with the queries and keys of one image and the
    values of another, as in the released code of ColorMamba.

    Args:
        channels: of the features and the result.
        guide_channels: of the guide.
        narrow: channels of queries and keys.
        gamma: where it starts; from 0 the attention has no gradient in the first step.
    """

    def __init__(self, channels: int, guide_channels: int, narrow: int, gamma: float) -> None:
        super().__init__()
        self.query = _convs(channels, narrow)
        self.key = _convs(channels, narrow)
        self.value = _convs(guide_channels, channels)
        self.mix = _convs(channels + guide_channels, channels)
        self.gamma = nn.Parameter(torch.full((1,), gamma))

    def forward(self, feature: Tensor, guide: Tensor) -> Tensor:
        """BCHW features, BGHW guide: BCHW."""
        q, k, v = self.query(feature), self.key(feature), self.value(guide)
        mixed = self.mix(torch.cat([feature, guide], dim=1))
        return self.gamma * criss_cross(q, k, v) + mixed


def criss_cross(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention of every pixel over its row and column, its own place counted once.

    Works on blocks of rows, so that memory stays bounded where no gradient is asked for.

    Args:
        query: BQHW.
        key: BQHW.
        value: BCHW.

    Returns:
        BCHW.
    """
    batch, _, height, width = value.shape
    q, k, v = (x.permute(0, 2, 3, 1).contiguous() for x in (query, key, value))
    k_columns, v_columns = (x.transpose(1, 2).contiguous() for x in (k, v))  # b, W, H, .
    rows = max(1, _CHUNK // (batch * width * (height + width)))
    blocks = [
        _rows(q[:, top : top + rows], k, v, k_columns, v_columns, top)
        for top in range(0, height, rows)
    ]
    return torch.cat(blocks, dim=1).permute(0, 3, 1, 2)


def _rows(
    q: Tensor, k: Tensor, v: Tensor, k_columns: Tensor, v_columns: Tensor, top: int
) -> Tensor:
    """The rows from ``top`` on: q (b, R, W, Q) -> (b, R, W, C)."""
    count, height = q.shape[1], k.shape[1]
    here = slice(top, top + count)
    down = q.transpose(1, 2) @ k_columns.transpose(-1, -2)  # b, W, R, H
    rows = torch.arange(top, top + count, device=q.device)[:, None]
    rows = rows == torch.arange(height, device=q.device)
    down = down.float().masked_fill(rows, -torch.inf).transpose(1, 2)  # the row counts it already
    across = (q @ k[:, here].transpose(-1, -2)).float()  # b, R, W, W
    weights = torch.cat([down, across], dim=-1).softmax(-1).to(v.dtype)
    down, across = weights.split([height, k.shape[2]], dim=-1)
    along_columns = (down.transpose(1, 2) @ v_columns).transpose(1, 2)
    return along_columns + across @ v[:, here]


def _convs(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(out_channels),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.ReLU(),
    )
