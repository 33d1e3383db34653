"""Methods whose generator learns from a pixel loss, further terms, and a critic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from ...datasets.base.batch import Batch
from ...datasets.base.bounds import Decay, NotNegative, Width
from ...losses.adversarial import GanLoss, discriminator_loss, generator_loss
from ...losses.pixel import pixel_loss
from ...losses.terms import Term, Terms
from ..layers.norms import init_normal
from ..layers.patchgan import PatchGAN
from .domain import IN_CHANNELS, OUT_CHANNELS, DomainName, network_input, network_target
from .extra_losses import ExtraLosses, ExtraTerms
from .generator import GeneratorMethod
from .method import Step


class AdversarialMethod(GeneratorMethod):
    """A generator against a conditional PatchGAN; with ``weight_adv`` 0 there is no GAN.

    A subclass brings the generator and may override ``content``.

    Args:
        config: the settings.
        generator: BCHW in [-1,1] to BC'HW in [-1,1].
        init_generator: start it as DCGAN's, as the discriminator starts; not where parts of it are
            to keep their own beginning.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config(GeneratorMethod.Config):
        """What adversarial methods have in common.

        Attributes:
            domain: ``nir`` predicts RGB from NIR, ``gray`` predicts ab from L*.
            gan: adversarial loss; ``bce`` is pix2pix's, ``lsgan`` its released code's option.
            weight_l1: weight of L1 on outputs in [-1,1]; ``weight_adv`` of the adversarial term.
            extra: weights of further terms of the generator.
            discriminator: ``patch70``, or ``patch94``: four halvings, one logit for 16x16 pixels.
            discriminator_width: channels after the first convolution of the discriminator.
            lr: Adam's learning rate (both networks), ``beta1`` its first moment.
        """

        domain: DomainName = "nir"
        gan: GanLoss = "bce"
        weight_l1: NotNegative = 100.0
        weight_adv: NotNegative = 1.0
        extra: ExtraLosses = field(default_factory=ExtraLosses)
        discriminator: Literal["patch70", "patch94"] = "patch70"
        discriminator_width: Width = 64
        lr: NotNegative = 2e-4
        beta1: Decay = 0.5

        @property
        def learnt_from(self) -> str:
            return self.extra.learnt_from

    def __init__(self, config: Config, generator: nn.Module, init_generator: bool) -> None:
        super().__init__(config.domain)
        self.config = config
        self.generator = generator
        self.extra = ExtraTerms(config.extra)
        if config.weight_adv:
            self.discriminator = PatchGAN(
                IN_CHANNELS + OUT_CHANNELS[config.domain],
                config.discriminator_width,
                halve_last=config.discriminator == "patch94",
            )
        for name, network in self.networks().items():
            if init_generator or name == "discriminator":
                init_normal(network)

    def networks(self) -> dict[str, nn.Module]:
        networks = {"generator": self.generator}
        if self.config.weight_adv:
            networks["discriminator"] = self.discriminator
        return networks

    def optimizers(self) -> dict[str, Optimizer]:
        betas = (self.config.beta1, 0.999)
        return {
            name: Adam(network.parameters(), lr=self.config.lr, betas=betas)
            for name, network in self.networks().items()
        }

    def content(self, output: Tensor, batch: Batch) -> Terms:
        """The terms that compare a generator's output in [-1,1] with what it should be."""
        config, terms = self.config, {}
        if config.weight_l1:
            target = network_target(config.domain, batch)
            error = pixel_loss("l1", output, target, batch.get("valid"))
            terms["l1"] = Term(error, config.weight_l1)
        return terms | self.extra(config.domain, output, batch)

    def training_step(self, batch: Batch, step: Step) -> None:
        output = self.predict(batch)
        if not self.config.weight_adv:
            step.backward(self.content(output, batch), "generator")
            step.update("generator")
            return
        self._train_discriminator(output.detach(), batch, step)
        with step.frozen("discriminator"):
            logits = self.discriminator(network_input(self.domain, batch), output)
            adv = Term(generator_loss(self.config.gan, logits), self.config.weight_adv)
            step.backward({"adv_g": adv, **self.content(output, batch)}, "generator")
        step.update("generator")

    def _train_discriminator(self, output: Tensor, batch: Batch, step: Step) -> None:
        plane, target = network_input(self.domain, batch), network_target(self.domain, batch)
        loss = discriminator_loss(
            self.config.gan, self.discriminator(plane, target), self.discriminator(plane, output)
        )
        step.backward({"adv_d": Term(loss)}, "discriminator")
        step.update("discriminator")
