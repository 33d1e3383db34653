"""DDColor: colour queries over a pretrained encoder, trained to be lively as well as right."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from ...datasets.base.batch import Batch
from ...datasets.base.bounds import Natural, NotNegative, Width
from ...datasets.base.color import AB_SCALE
from ...losses.adversarial import GanLoss, discriminator_loss, generator_loss
from ...losses.colorfulness import colorfulness_loss
from ...losses.perceptual import PerceptualLoss
from ...losses.pixel import pixel_loss
from ...losses.terms import Term, Terms
from ..base.domain import OUT_CHANNELS, DomainName, network_target, output_to_rgb
from ..base.generator import GeneratorMethod
from ..base.method import Step
from ..layers.encoders import encoder_learnt_from, load_encoder
from .network import DDColorCritic, DDColorGenerator

_LUMA = (0.2989, 0.587, 0.114)  # of sRGB, ITU-R BT.601
_BETAS = (0.9, 0.99)


class DDColor(GeneratorMethod):
    """Dual decoders, of pixels and of colour queries, for L* to ab and for NIR to RGB.

    Paper: Kang et al. 2023, "DDColor: Towards Photo-Realistic Image Colorization via Dual
    Decoders", sections 3 and 4.1, with what its released code adds: targets of the perceptual and
    the adversarial loss that are more colourful than the photograph, and the schedule.
    Differs: the colourfulness loss is the paper's mean (see ``losses.colorfulness``); the critic
    minimises half of the code's sum, which Adam does not see; images of any size, mirrored out to
    a multiple of the encoder's stride; colours outside sRGB are clipped in the losses, as in the
    code, but lose chroma in ``colorize``. For NIR, which the paper has not, the output and its L1
    are on the scale of ab: RGB from -110 to 110.
    """

    name = "ddcolor"

    @dataclass(frozen=True, kw_only=True)
    class Config(GeneratorMethod.Config):
        """Settings of ``DDColor``. A loss of weight 0 is left out, with its network.

        Attributes:
            domain: ``gray`` predicts ab from L*, ``nir`` predicts RGB from NIR.
            encoder: a model of timm, or ``squeezenet1_0``; the paper's large network has
                ``convnext_large.fb_in22k``.
            encoder_weights: where training starts: ``imagenet``, a file, or ``none``.
            width: channels of the pixel decoder at its two coarser scales.
            queries: number of colour queries, of ``query_width`` channels.
            heads: of every attention; ``feedforward`` hidden channels behind it.
            layers: of the query decoder, which look at its three scales in turn.
            critic_width: channels of the critic's first layer.
            critic_blocks: its halvings after the first; crops need 8 * 2**blocks pixels.
            gan: adversarial loss.
            weight_l1: of the absolute error of ab in CIE units.
            weight_perceptual: of the distance of features; see ``losses.perceptual``.
            weight_adv: of the adversarial loss.
            weight_colorfulness: of 1 - CF/100. The authors advise 0 against red patches.
            perceptual: its backbone: ``vgg16_bn``, ``vgg16``, ``squeezenet1_0``, a model of timm,
                or ``none``, which leaves the loss out.
            perceptual_weights: ``imagenet``, or a file.
            color_enhance: the targets of perceptual and adversarial loss are this many times as
                far from gray; 1 leaves them as they are.
            lr: AdamW's learning rate of the generator; ``critic_lr`` Adam's of the critic.
            weight_decay: AdamW's.
            halvings: steps at which the learning rates are halved.
        """

        domain: DomainName = "gray"
        encoder: str = "convnext_tiny.fb_in22k"
        encoder_weights: str = "imagenet"
        width: Width = 512
        queries: Width = 100
        query_width: Width = 256
        heads: Width = 8
        feedforward: Width = 2048
        layers: Width = 9
        critic_width: Width = 64
        critic_blocks: Natural = 3
        gan: GanLoss = "bce"
        weight_l1: NotNegative = 0.1
        weight_perceptual: NotNegative = 5.0
        weight_adv: NotNegative = 1.0
        weight_colorfulness: NotNegative = 0.5
        perceptual: str = "vgg16_bn"
        perceptual_weights: str = "imagenet"
        color_enhance: NotNegative = 1.2
        lr: NotNegative = 1e-4
        critic_lr: NotNegative = 1e-4
        weight_decay: NotNegative = 1e-2
        halvings: tuple[Natural, ...] = tuple(range(80_000, 400_000, 40_000))

        @property
        def learnt_from(self) -> str:
            sources = [encoder_learnt_from(self.encoder, self.encoder_weights)]
            if self.weight_perceptual and self.perceptual != "none":
                weights = Path(self.perceptual_weights).name  # folders differ between machines
                sources.append(f"loss on {self.perceptual}: {weights}")
            return "; ".join(filter(None, sources))

        def smoke(self) -> DDColor.Config:
            return replace(
                self,
                encoder="test_convnext",
                encoder_weights="none",
                width=32,
                queries=8,
                query_width=32,
                heads=4,
                feedforward=64,
                layers=3,
                critic_width=8,
                critic_blocks=2,
                perceptual="none",
                lr=3e-3,
            )

    def __init__(self, config: Config) -> None:
        super().__init__(config.domain)
        self.config = config
        self.generator = DDColorGenerator(
            config.domain,
            OUT_CHANNELS[config.domain],
            config.encoder,
            config.width,
            config.queries,
            config.query_width,
            config.heads,
            config.feedforward,
            config.layers,
        )
        self.stride: int = self.generator.stride
        self.perceptual: PerceptualLoss | None = None
        if config.weight_perceptual and config.perceptual != "none":
            self.perceptual = PerceptualLoss(config.perceptual, config.perceptual_weights)
        if config.weight_adv:
            self.discriminator = DDColorCritic(config.critic_width, config.critic_blocks)

    def networks(self) -> dict[str, nn.Module]:
        networks: dict[str, nn.Module] = {"generator": self.generator}
        return networks | ({"discriminator": self.discriminator} if self.config.weight_adv else {})

    def load_pretrained(self) -> str:
        return load_encoder(self.generator.get_submodule("encoder"), self.config.encoder_weights)

    def optimizers(self) -> dict[str, Optimizer]:
        config, decay = self.config, self.config.weight_decay
        known: dict[str, Optimizer] = {
            "generator": AdamW(
                self.generator.parameters(), lr=config.lr, betas=_BETAS, weight_decay=decay
            )
        }
        if config.weight_adv:
            critic = self.discriminator.parameters()
            known["discriminator"] = Adam(critic, lr=config.critic_lr, betas=_BETAS)
        return known

    def rate_factor(self, step: int) -> float:
        return 0.5 ** sum(step >= halving for halving in self.config.halvings)

    def training_step(self, batch: Batch, step: Step) -> None:
        config = self.config
        colors = self.predict(batch).float()
        rgb_hat = output_to_rgb(config.domain, colors, batch, gamut="clip")
        rgb = enhanced(batch["rgb"], config.color_enhance)
        if (valid := batch.get("valid")) is not None:
            rgb_hat = torch.where(valid > 0, rgb_hat, rgb)  # equal where nothing counts
        terms = self._supervised(colors, rgb_hat, rgb, batch)
        if not config.weight_adv:
            step.backward(terms, "generator")
            step.update("generator")
            return
        with step.frozen("discriminator"):
            adv = generator_loss(config.gan, self.discriminator(rgb_hat))
            step.backward({**terms, "adv_g": Term(adv, config.weight_adv)}, "generator")
        step.update("generator")

        loss_d = discriminator_loss(
            config.gan, self.discriminator(rgb), self.discriminator(rgb_hat.detach())
        )
        step.backward({"adv_d": Term(loss_d)}, "discriminator")
        step.update("discriminator")

    def _supervised(self, colors: Tensor, rgb_hat: Tensor, rgb: Tensor, batch: Batch) -> Terms:
        """All but the adversarial term; ``colors`` is the output, about [-1,1]."""
        config, terms = self.config, Terms()
        if config.weight_l1:
            target = network_target(config.domain, batch)
            l1 = AB_SCALE * pixel_loss("l1", colors, target, batch.get("valid"))
            terms["l1_ab" if config.domain == "gray" else "l1_rgb"] = Term(l1, config.weight_l1)
        if self.perceptual is not None:
            terms["perceptual"] = Term(self.perceptual(rgb_hat, rgb), config.weight_perceptual)
        if config.weight_colorfulness:
            terms["colorfulness"] = Term(colorfulness_loss(rgb_hat), config.weight_colorfulness)
        return terms


def enhanced(rgb: Tensor, factor: float) -> Tensor:
    """Colours ``factor`` times as far from the gray of their luma, cut to [0,1].

    Args:
        rgb: B3HW sRGB in [0,1].
        factor: 1 changes nothing, 0 leaves gray.
    """
    luma = (rgb * rgb.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return (luma + factor * (rgb - luma)).clamp(0, 1)
