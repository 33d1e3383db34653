"""Upsampling by PixelShuffle that starts without a checkerboard."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


def icnr_(weight: Tensor, scale: int) -> Tensor:
    """Fill the kernels before a PixelShuffle so that it repeats pixels: He-normal, s² times each.

    Paper: Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution", section 3.2.

    Args:
        weight: (C s², C', k, k), changed in place.
        scale: s.

    Returns:
        ``weight``.
    """
    base = nn.init.kaiming_normal_(weight.new_empty(weight.shape[0] // scale**2, *weight.shape[1:]))
    weight.data.copy_(base.repeat_interleave(scale**2, dim=0))
    return weight


class PixelShuffleUp(nn.Module):
    """A 1x1 convolution whose channels become pixels, ReLU, and a 2x2 mean over the result.

    Paper: Shi et al. 2016 (sub-pixel convolution); Aitken et al. 2017 (``icnr_``); Sugawara et al.
    2018 (the mean), as fastai's and DDColor's decoders join them.

    Args:
        in_channels: given.
        out_channels: put out.
        scale: height and width grow by it.
        batch_norm: normalise after the convolution, which then has no bias.
        spectral: normalise the kernels by their spectral norm.
        blur: take the mean.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int = 2,
        *,
        batch_norm: bool = False,
        spectral: bool = False,
        blur: bool = True,
    ) -> None:
        super().__init__()
        wide = out_channels * scale**2
        conv = nn.Conv2d(in_channels, wide, 1, bias=not batch_norm)
        icnr_(conv.weight, scale)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
        self.conv = spectral_norm(conv) if spectral else conv
        self.norm = nn.BatchNorm2d(wide) if batch_norm else nn.Identity()
        self.scale, self.blur = scale, blur

    def forward(self, x: Tensor) -> Tensor:
        """BCHW to BC'(sH)(sW)."""
        x = F.pixel_shuffle(F.relu(self.norm(self.conv(x))), self.scale)
        if not self.blur:
            return x
        # padded above and to the left: the mean moves the map by half a pixel
        return F.avg_pool2d(F.pad(x, (1, 0, 1, 0), mode="replicate"), 2, stride=1)
