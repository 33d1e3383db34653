"""pix2pix: a U-Net generator against a PatchGAN, with an L1 anchor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from ..datasets.batch import Batch
from ..datasets.errors import UserError
from ..losses.adversarial import GanLoss, discriminator_loss, generator_loss
from ..losses.pixel import pixel_loss
from ..losses.terms import Term
from .blocks import init_normal
from .domain import IN_CHANNELS, OUT_CHANNELS, DomainName, network_input, network_target
from .generator_system import GeneratorSystem
from .patchgan import PatchGAN
from .system import Step


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


class Pix2Pix(GeneratorSystem):
    """Conditional GAN for NIR to RGB and for L* to ab.

    Paper: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks",
    sections 3 and 6; the first objective is the one of section 3.1 with lambda = 100.
    Differs: at test time there is no dropout and BatchNorm uses its running averages (the paper
    keeps dropout and normalises by the test batch), so that an image's result repeats and does not
    depend on its batch; images that are no multiple of 2**levels are mirrored out and cropped.
    """

    name = "pix2pix"

    @dataclass(frozen=True, kw_only=True)
    class Config(GeneratorSystem.Config):
        """Settings of ``Pix2Pix``.

        Attributes:
            domain: ``nir`` predicts RGB from NIR, ``gray`` predicts ab from L*.
            gan: adversarial loss; ``bce`` is the paper's, ``lsgan`` the released code's option.
            weight_l1: weight of L1 on outputs in [-1,1]; ``weight_adv`` of the adversarial term.
            width: channels after the first convolution of the generator.
            levels: halvings of the generator.
            dropout: probability while training.
            discriminator_width: channels after the first convolution of the discriminator.
            lr: Adam's learning rate (both networks), ``beta1`` its first moment.
        """

        domain: DomainName = "nir"
        gan: GanLoss = "bce"
        weight_l1: float = 100.0
        weight_adv: float = 1.0
        width: int = 64
        levels: int = 8
        dropout: float = 0.5
        discriminator_width: int = 64
        lr: float = 2e-4
        beta1: float = 0.5

        def smoke(self) -> Pix2Pix.Config:
            return replace(self, width=16, levels=min(self.levels, 5), discriminator_width=8)

    def __init__(self, config: Config) -> None:
        super().__init__(config.domain)
        if config.levels < 2:
            raise UserError(f"pix2pix: levels {config.levels}; the U-Net needs at least 2")
        self.config = config
        self.stride = 2**config.levels
        out_channels = OUT_CHANNELS[config.domain]
        self.generator = Pix2PixGenerator(
            IN_CHANNELS, out_channels, config.width, config.levels, config.dropout
        )
        self.discriminator = PatchGAN(IN_CHANNELS + out_channels, config.discriminator_width)
        init_normal(self.generator)
        init_normal(self.discriminator)

    def networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def optimizers(self) -> dict[str, Optimizer]:
        betas = (self.config.beta1, 0.999)
        return {
            name: Adam(network.parameters(), lr=self.config.lr, betas=betas)
            for name, network in self.networks().items()
        }

    def training_step(self, batch: Batch, step: Step) -> None:
        config = self.config
        given = network_input(config.domain, batch)
        target = network_target(config.domain, batch)
        colors = self.predict(batch)

        loss_d = discriminator_loss(
            config.gan,
            self.discriminator(given, target),
            self.discriminator(given, colors.detach()),
        )
        step.backward({"adv_d": Term(loss_d)}, "discriminator")
        step.update("discriminator")

        with step.frozen("discriminator"):
            adv = generator_loss(config.gan, self.discriminator(given, colors))
            l1 = pixel_loss("l1", colors, target, batch.get("valid"))
            terms = {"adv_g": Term(adv, config.weight_adv), "l1": Term(l1, config.weight_l1)}
            step.backward(terms, "generator")
        step.update("generator")


class _Skip(nn.Sequential):
    """Concatenates its input to its output."""

    def forward(self, input: Tensor) -> Tensor:
        return torch.cat([input, super().forward(input)], dim=1)
