"""Self-attention over the places of a feature map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

_GAIN = 1e-6


class SelfAttention(nn.Module):
    """Every place of a map gains, by a learnt factor, what it attends to in the whole map.

    Paper: Zhang et al. 2019 (SAGAN), section 3, without the projection after the attention, as
    fastai and DDColor have it; the kernels are normalised by their spectral norm.
    Differs: the factor begins at 1e-6, not at 0, so that all parameters learn from the first step.

    Args:
        channels: of the map, at least 8; queries and keys have an eighth of them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (
            _pointwise(channels, out_channels)
            for out_channels in (channels // 8, channels // 8, channels)
        )
        self.gain = nn.Parameter(torch.tensor([_GAIN]))

    def forward(self, x: Tensor) -> Tensor:
        """BCHW to BCHW."""
        query, key, value = (
            layer(x).flatten(2).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return x + self.gain * attended.transpose(1, 2).reshape(x.shape)


def _pointwise(in_channels: int, out_channels: int) -> nn.Module:
    conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
    nn.init.kaiming_normal_(conv.weight)
    return spectral_norm(conv)
