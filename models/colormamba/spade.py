"""Spatially adaptive normalisation: a guide image sets the scale and shift of every pixel."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class SPADE(nn.Module):
    """Instance-normalised features times (1 + gamma) plus beta, both convolved from a guide.

    Paper: Park et al. 2019 (SPADE), section 3.1.

    Args:
        channels: of the features.
        guide_channels: of the guide, which is resized to the features (nearest).
        hidden: channels between.
    """

    def __init__(self, channels: int, guide_channels: int, hidden: int) -> None:
        super().__init__()
        self.shared = nn.Conv2d(guide_channels, hidden, 3, padding=1)
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, feature: Tensor, guide: Tensor) -> Tensor:
        """BCHW features, BGH'W' guide: BCHW."""
        if guide.shape[-2:] != feature.shape[-2:]:
            guide = F.interpolate(guide, size=feature.shape[-2:], mode="nearest")
        hidden = F.relu(self.shared(guide))
        return F.instance_norm(feature) * (1 + self.gamma(hidden)) + self.beta(hidden)


class SPADEResBlock(nn.Module):
    """Two SPADE layers and spectrally normalised convolutions around an identity.

    Paper: Park et al. 2019, appendix A (the block of equal width, which has no learned shortcut).
    """

    def __init__(self, channels: int, guide_channels: int, hidden: int) -> None:
        super().__init__()
        self.spade0 = SPADE(channels, guide_channels, hidden)
        self.spade1 = SPADE(channels, guide_channels, hidden)
        self.conv0 = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1))
        self.conv1 = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, feature: Tensor, guide: Tensor) -> Tensor:
        """BCHW features, guide of any size: BCHW."""
        change = self.conv0(F.leaky_relu(self.spade0(feature, guide), 0.2))
        change = self.conv1(F.leaky_relu(self.spade1(change, guide), 0.2))
        return feature + change
