"""A U-Net on a trained encoder that learns colours alone first, and then against a critic."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch.optim import Adam, Optimizer

from ..datasets.base.batch import Batch
from ..datasets.base.bounds import Natural, NotNegative
from .base.adversarial import AdversarialMethod
from .base.domain import OUT_CHANNELS
from .base.method import Step
from .layers.dynamic_unet import DynamicUNet, FirstConv
from .layers.encoders import encoder_learnt_from, load_encoder


class ResnetUNetGan(AdversarialMethod):
    """ResNet18 U-Net: L1 until ``pretrain_steps``, from there on the objective of pix2pix.

    Paper: Isola et al. 2017 (pix2pix), section 3, for the second stage; the encoder, the two
    stages and their rates are those of a tutorial (Shariatnia 2020, "U-Net: deep learning
    colorization") that students' projects build on; the decoder is ``DynamicUNet``.
    Differs: the steps of the schedule, of which the sources name epochs on their own images.
    """

    name = "resnet_unet_gan"

    @dataclass(frozen=True, kw_only=True)
    class Config(AdversarialMethod.Config):
        """Settings of ``ResnetUNetGan``, beside those of ``AdversarialMethod``.

        Attributes:
            encoder: a model of timm with a map at every halving, or ``squeezenet1_0``.
            encoder_weights: where training starts: ``imagenet``, a file, or ``none``.
            first_conv: how one plane enters a network of RGB: its first kernels ``summed``, or a
                ``learned`` convolution to three planes in front.
            attention: self-attention in the decoder; ``blur``: a 2x2 mean after each PixelShuffle.
            pretrain_steps: the first stage: content losses alone, Adam at ``pretrain_lr``. The
                second goes on to the end, with new optimisers.
            pretrain_lr: of the first stage; ``lr`` is that of the second.
        """

        encoder: str = "resnet18"
        encoder_weights: str = "imagenet"
        first_conv: FirstConv = "summed"
        attention: bool = False
        blur: bool = False
        pretrain_steps: Natural = 10_000
        pretrain_lr: NotNegative = 1e-4

        @property
        def learnt_from(self) -> str:
            encoder = encoder_learnt_from(self.encoder, self.encoder_weights)
            return "; ".join(filter(None, (encoder, super().learnt_from)))

        def smoke(self) -> ResnetUNetGan.Config:
            return replace(
                self,
                encoder="test_efficientnet",
                encoder_weights="none",
                pretrain_steps=0,
                discriminator_width=8,
                lr=1e-3,
                extra=self.extra.smoke(),
            )

    def __init__(self, config: Config) -> None:
        generator = DynamicUNet(
            config.encoder,
            OUT_CHANNELS[config.domain],
            config.first_conv,
            config.attention,
            config.blur,
        )
        super().__init__(config, generator, init_generator=False)
        self.config = config
        self.stride = generator.stride

    def load_pretrained(self) -> str:
        return load_encoder(self.generator.get_submodule("encoder"), self.config.encoder_weights)

    def optimizers(self) -> dict[str, Optimizer]:
        alone = Adam(self.generator.parameters(), lr=self.config.pretrain_lr)
        return {"pretrain": alone, **super().optimizers()}

    def schedule_part(self, index: int, steps: int) -> range:
        first = min(self.config.pretrain_steps, steps)
        return range(first) if index < first else range(first, steps)

    def training_step(self, batch: Batch, step: Step) -> None:
        if step.index >= self.config.pretrain_steps:
            super().training_step(batch, step)
            return
        step.backward(self.content(self.predict(batch), batch), "pretrain")
        step.update("pretrain")
