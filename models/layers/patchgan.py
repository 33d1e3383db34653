"""The PatchGAN discriminator."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from .norms import Norm, norm_layer


class PatchGAN(nn.Module):
    """Judges overlapping patches of an input and its colours, one logit a patch.

    With 3 layers a logit sees 70x70 pixels, and 256x256 gives 30x30 logits; 1 + 2 channels and
    width 64 have 2,765,633 parameters. With ``halve_last`` it sees 94x94, and there is a logit for
    every 16x16 pixels (16x16 of 256x256).

    Paper: Isola et al. 2017 (pix2pix), section 3.2.2 and 6.1.2.

    Args:
        in_channels: of all that is judged together.
        width: channels of the first layer; doubled a layer, up to 8 times.
        layers: stride-2 layers; 3 gives the 70x70 field.
        norm: normalisation of the inner layers; ``spectral`` is that of their weights (Miyato et
            al. 2018), one power iteration a training step.
        halve_last: let the last inner layer halve the map, too, and the output keep its size.
    """

    def __init__(
        self,
        in_channels: int,
        width: int = 64,
        layers: int = 3,
        norm: Norm | Literal["spectral"] = "batch",
        halve_last: bool = False,
    ) -> None:
        super().__init__()
        body: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        channels = width
        for layer in range(1, layers + 1):
            wider = width * min(2**layer, 8)
            stride = 2 if layer < layers or halve_last else 1
            # a bias before BatchNorm would be cancelled by it
            bias = norm not in ("batch", "spectral")
            conv = nn.Conv2d(channels, wider, 4, stride, 1, bias=bias)
            if norm == "spectral":
                body.append(spectral_norm(conv))
            else:
                body += [conv, norm_layer(norm, wider)]
            body.append(nn.LeakyReLU(0.2))
            channels = wider
        if halve_last:
            body.append(nn.ZeroPad2d((1, 0, 1, 0)))
        self.body = nn.Sequential(*body, nn.Conv2d(channels, 1, 4, 1, 1))

    def forward(self, *images: Tensor) -> Tensor:
        """Logits B1hw of images BCHW that are judged together: an input and its colours."""
        return self.body(torch.cat(images, dim=1))
