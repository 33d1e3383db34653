"""U-Net regression: the baseline that predicts one colour a pixel."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from ..datasets.base.batch import Batch
from ..datasets.base.bounds import Levels, NotNegative, Positive, Width
from ..losses.pixel import PixelLoss, pixel_loss
from ..losses.terms import Term, Terms
from .base.domain import IN_CHANNELS, OUT_CHANNELS, DomainName, network_target
from .base.extra_losses import ExtraLosses, ExtraTerms
from .base.generator import GeneratorMethod
from .layers.norms import Norm, norm_layer


class UNetGenerator(nn.Module):
    """Encoder and decoder of double 3x3 convolutions joined by skips at every scale.

    Args:
        in_channels: planes given, in [-1,1].
        out_channels: planes put out, in [-1,1] (tanh).
        width: channels at full resolution; doubled a level.
        levels: 2x2 max poolings; H and W must be multiples of 2**levels.
        norm: normalisation after each convolution.
    """

    def __init__(
        self, in_channels: int, out_channels: int, width: int, levels: int, norm: Norm
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels + 1)]
        self.encoder = nn.ModuleList(
            _double_conv(a, b, norm) for a, b in zip([in_channels, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1])
        )
        self.decoder = nn.ModuleList(_double_conv(2 * w, w, norm) for w in reversed(widths[:-1]))
        self.head = nn.Conv2d(width, out_channels, 1)
        self.coarsest_channels = widths[-1]

    def encode(self, image: Tensor) -> list[Tensor]:
        """BCHW in [-1,1] to the maps of all scales, the coarsest last."""
        maps: list[Tensor] = []
        feature = image
        for block in self.encoder:
            feature = block(F.max_pool2d(feature, 2) if maps else feature)
            maps.append(feature)
        return maps

    def decode(self, maps: list[Tensor]) -> Tensor:
        """The maps of ``encode`` to BC'HW in [-1,1]."""
        *skips, feature = maps
        for up, block in zip(self.up, self.decoder, strict=True):
            feature = block(torch.cat([skips.pop(), up(feature)], dim=1))
        return torch.tanh(self.head(feature))

    def forward(self, image: Tensor) -> Tensor:
        """BCHW in [-1,1] to BC'HW in [-1,1]."""
        return self.decode(self.encode(image))


class UNet(GeneratorMethod):
    """U-Net trained by a pixel loss, for NIR to RGB and for L* to ab.

    Paper: Ronneberger et al. 2015, section 2 (the network); the regression baseline of most
    colorization papers (Zhang et al. 2016, section 2, says why its colours are dull).
    Differs: padded convolutions, BatchNorm, and a tanh head of two or three channels.
    """

    name = "unet"

    @dataclass(frozen=True, kw_only=True)
    class Config(GeneratorMethod.Config):
        """Settings of ``UNet``.

        Attributes:
            domain: ``nir`` predicts RGB from NIR, ``gray`` predicts ab from L*.
            loss: error on the output scaled to [-1,1]; see ``losses.pixel``.
            huber_delta: the kink of the Huber loss, in output units (1/110 is one ab unit).
            extra: weights of further terms, among them a perceptual loss.
            width: channels at full resolution.
            levels: poolings; sizes are padded to multiples of 2**levels.
            norm: normalisation; ``group`` or ``none`` makes images independent of their batch.
            lr: Adam's learning rate.
        """

        domain: DomainName = "nir"
        loss: PixelLoss = "l1"
        huber_delta: Positive = 1 / 110
        extra: ExtraLosses = field(default_factory=ExtraLosses)
        width: Width = 64
        levels: Levels = 4
        norm: Norm = "batch"
        lr: NotNegative = 1e-3

        @property
        def learnt_from(self) -> str:
            return self.extra.learnt_from

        def smoke(self) -> UNet.Config:
            return replace(self, width=8, levels=min(self.levels, 3), extra=self.extra.smoke())

    def __init__(self, config: Config) -> None:
        super().__init__(config.domain)
        self.config = config
        self.stride = 2**config.levels
        self.generator = UNetGenerator(
            IN_CHANNELS, OUT_CHANNELS[config.domain], config.width, config.levels, config.norm
        )
        self.extra = ExtraTerms(config.extra)

    def optimizers(self) -> dict[str, Optimizer]:
        return {"generator": Adam(self.generator.parameters(), lr=self.config.lr)}

    def losses(self, batch: Batch) -> Terms:
        config = self.config
        output = self.predict(batch)
        error = pixel_loss(
            config.loss,
            output,
            network_target(config.domain, batch),
            batch.get("valid"),
            config.huber_delta,
        )
        name = f"{config.loss}_{'ab' if config.domain == 'gray' else 'rgb'}"
        return {name: Term(error), **self.extra(config.domain, output, batch)}


def _double_conv(in_channels: int, out_channels: int, norm: Norm) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [
            nn.Conv2d(channels, out_channels, 3, padding=1, bias=norm in ("none", "group")),
            norm_layer(norm, out_channels),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)
