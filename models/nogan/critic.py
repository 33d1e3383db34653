"""DeOldify's critic: which of two kinds a picture is, and whose turn it is to learn."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..layers.self_attention import SelfAttention

MIN_SIDE = 64  # pixels; four halvings leave the last kernel its 4 x 4
_BLOCKS = 3


class Critic(nn.Module):
    """Logits of a picture being true, from patches of 64 pixels and more.

    A 4x4 convolution of stride 2, three blocks {3x3, dropout, 4x4 of stride 2 to twice the
    channels} with self-attention after the first, a 3x3 convolution, and 4x4 without padding to one
    channel. Spectral norm everywhere, LeakyReLU 0.2 after all but the last.

    Source: fastai's ``gan_critic`` (Howard and Gugger) as DeOldify (Antic 2018) has it: 256
    channels and dropout 0.15, which makes 94,555,649 parameters.

    Args:
        width: channels of the first convolution, at least 4.
        dropout: chance that a channel is left out.
    """

    turn: (
        Tensor  # for the adaptive phase: step, whether the generator's, sum of losses, their count
    )

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        layers = [*_conv(3, width, 4, 2), nn.Dropout2d(dropout / 2)]
        for block in range(_BLOCKS):
            layers += [*_conv(width, width, 3, 1), nn.Dropout2d(dropout)]
            layers += _conv(width, 2 * width, 4, 2)
            width *= 2
            if block == 0:
                layers.append(SelfAttention(width))
        layers += _conv(width, width, 3, 1)
        layers.append(spectral_norm(nn.Conv2d(width, 1, 4, bias=False)))
        self.layers = nn.Sequential(*layers)
        self.register_buffer("turn", torch.tensor([-2.0, 0.0, 0.0, 0.0]))

    def forward(self, rgb: Tensor) -> Tensor:
        """B3HW sRGB in [0,1], sides of at least 64, to logits B1hw, h = H/16 - 3."""
        return self.layers(2 * rgb - 1)


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=1)
    nn.init.kaiming_normal_(conv.weight)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return [spectral_norm(conv), nn.LeakyReLU(0.2)]
