"""Two convolutions: the block of which the decoders of U-Nets are made."""

from __future__ import annotations

from torch import nn

from .norms import Norm, init_he, norm_layer


def double_conv(in_channels: int, out_channels: int, norm: Norm = "none") -> nn.Sequential:
    """Two 3x3 convolutions, each with normalisation and ReLU, from He's initialisation."""
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        conv = nn.Conv2d(channels, out_channels, 3, padding=1, bias=norm == "none")
        layers += [conv, norm_layer(norm, out_channels), nn.ReLU()]
    block = nn.Sequential(*layers)
    init_he(block)
    return block
