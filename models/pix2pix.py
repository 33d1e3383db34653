"""pix2pix: a U-Net generator against a PatchGAN, with an L1 anchor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..datasets.base.bounds import Dropout, Levels, Width
from ..datasets.base.errors import UserError
from .base.adversarial import AdversarialMethod
from .base.domain import IN_CHANNELS, OUT_CHANNELS


class Pix2PixGenerator(nn.Module):
    """The U-Net of 4x4 stride-2 convolutions, nested from the outside in.

    With 8 levels, width 64 and 1 -> 2 channels it has 54,409,858 parameters and halves a
    256-pixel side to one pixel.

    Paper: Isola et al. 2017 (pix2pix), section 3.2.1 and 6.1.1.

    Args:
        in_channels: planes given, in [-1,1].
        out_channels: planes put out, in [-1,1].
        width: channels after the first convolution; doubled a level, up to 8 times.
        levels: halvings; H and W must be multiples of 2**levels.
        dropout: probability at the (up to three) levels just outside the innermost.
    """

    def __init__(
        self, in_channels: int, out_channels: int, width: int, levels: int, dropout: float
    ) -> None:
        super().__init__()
        widths = [width * min(2**level, 8) for level in range(levels)]
        inner: nn.Module | None = None
        for level in range(levels - 1, 0, -1):
            wide, narrow = widths[level], widths[level - 1]
            innermost = inner is None
            # BatchNorm follows every inner convolution but the one to the innermost pixel
            down_norm = [] if innermost else [nn.BatchNorm2d(wide)]
            dropped = not innermost and narrow == wide and levels - level <= 4
            inner = _Skip(
                nn.LeakyReLU(0.2),
                nn.Conv2d(narrow, wide, 4, 2, 1, bias=False),
                *down_norm,
                *([inner] if inner is not None else []),
                nn.ReLU(),
                nn.ConvTranspose2d(wide * (1 if innermost else 2), narrow, 4, 2, 1, bias=False),
                nn.BatchNorm2d(narrow),
                *([nn.Dropout(dropout)] if dropped else []),
            )
        assert inner is not None
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, width, 4, 2, 1, bias=False),
            inner,
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, out_channels, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, image: Tensor) -> Tensor:
        """BCHW in [-1,1] to BC'HW in [-1,1]."""
        return self.body(image)


class Pix2Pix(AdversarialMethod):
    """Conditional GAN for NIR to RGB and for L* to ab.

    Paper: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks",
    sections 3 and 6; the first objective is the one of section 3.1 with lambda = 100.
    Differs: at test time there is no dropout and BatchNorm uses its running averages (the paper
    keeps dropout and normalises by the test batch), so that an image's result repeats and does not
    depend on its batch; images that are no multiple of 2**levels are mirrored out and cropped.
    """

    name = "pix2pix"

    @dataclass(frozen=True, kw_only=True)
    class Config(AdversarialMethod.Config):
        """Settings of ``Pix2Pix``, beside those of ``AdversarialMethod``.

        Attributes:
            width: channels after the first convolution of the generator.
            levels: halvings of the generator.
            dropout: probability while training.
        """

        width: Width = 64
        levels: Levels = 8
        dropout: Dropout = 0.5

        def smoke(self) -> Pix2Pix.Config:
            return replace(
                self,
                width=16,
                levels=min(self.levels, 5),
                discriminator_width=8,
                extra=self.extra.smoke(),
            )

    def __init__(self, config: Config) -> None:
        if config.levels < 2:
            raise UserError(f"pix2pix: levels {config.levels}; the U-Net needs at least 2")
        generator = Pix2PixGenerator(
            IN_CHANNELS, OUT_CHANNELS[config.domain], config.width, config.levels, config.dropout
        )
        super().__init__(config, generator, init_generator=True)
        self.stride = 2**config.levels


class _Skip(nn.Sequential):
    """Concatenates its input to its output."""

    def forward(self, input: Tensor) -> Tensor:
        return torch.cat([input, super().forward(input)], dim=1)
