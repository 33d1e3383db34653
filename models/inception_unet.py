"""Colours decoded from the last map of an Inception-ResNet, at one fixed size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import torch
from torch import Tensor, nn

from ..datasets.base.batch import Batch
from ..datasets.base.bounds import NotNegative, Side, Width
from ..datasets.base.errors import UserError
from .base.adversarial import AdversarialMethod
from .base.domain import OUT_CHANNELS, DomainName, network_input
from .base.extra_losses import ExtraLosses
from .layers.encoders import Encoder, build_encoder, encoder_learnt_from, load_encoder
from .layers.guided_upsample import resized, resized_by_matrices
from .layers.self_attention import SelfAttention


class ConvDecoderNetwork(nn.Module):
    """An encoder, and blocks of 3x3 convolution, ReLU and twofold bilinear enlargement.

    Inception-ResNet v2 takes 400 pixels to 11, which five doublings make 352: the output is
    enlarged to the size of the input. That encoder of one plane has 54,305,888 parameters and the
    decoder of two planes 8,646,178.

    Args:
        encoder: see ``encoders.build_encoder``.
        out_channels: planes put out, in [-1,1] (tanh).
        widths: channels of the blocks.
        skips: join the encoder's finer maps, each before the block that enlarges it, in whose size
            the block before then comes out.
        attention: self-attention after the first block.

    Raises:
        UserError: no widths, or skips with more blocks than the encoder has maps.
    """

    def __init__(
        self, encoder: str, out_channels: int, widths: Sequence[int], skips: bool, attention: bool
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(encoder)
        below, *finer = reversed(cast(Encoder, self.encoder).widths)
        if not widths or (skips and len(widths) > 1 + len(finer)):
            raise UserError(
                f"{len(widths)} decoder blocks on {encoder}: name 1 to {1 + len(finer)} widths "
                "(--method.widths)"
            )
        self.skips = skips
        self.blocks = nn.ModuleList()
        for index, width in enumerate(widths):
            joined = finer[index - 1] if skips and index else 0
            layers = [nn.Conv2d(below + joined, width, 3, padding=1), nn.ReLU()]
            if attention and index == 0:
                layers.append(SelfAttention(width))
            self.blocks.append(nn.Sequential(*layers))
            below = width
        self.head = nn.Conv2d(below, out_channels, 3, padding=1)

    def forward(self, plane: Tensor) -> Tensor:
        """B1HW in [-1,1] to BCHW in [-1,1]."""
        feature, *finer = reversed(self.encoder(plane))
        for index, block in enumerate(self.blocks):
            if self.skips and index:
                skip = finer[index - 1]
                feature = torch.cat([resized(feature, skip.shape[-2:]), skip], dim=1)
            feature = block(feature)
            if not self.skips:
                feature = resized(feature, [2 * side for side in feature.shape[-2:]])
        return torch.tanh(resized(self.head(feature), plane.shape[-2:]))


class InceptionUNet(AdversarialMethod):
    """Regression of colours from Inception-ResNet v2's last map, at 400x400 pixels.

    As students' projects describe it: L* in, ab out, MSE, Adam; with their wishes as settings:
    skips, self-attention, a critic (``weight_adv``), other losses (``weight_l1``, ``extra``).
    Paper: Szegedy et al. 2017, "Inception-v4, Inception-ResNet and the Impact of Residual
    Connections on Learning", section 3.2 (the encoder).
    Differs: the source names about 8.5 million parameters of the decoder, not its widths; its
    learning rate falls when validation stalls; the output passes tanh.
    """

    name = "inception_unet"

    @dataclass(frozen=True, kw_only=True)
    class Config(AdversarialMethod.Config):
        """Settings of ``InceptionUNet``, beside those of ``AdversarialMethod``.

        Attributes:
            encoder: a model of timm, or ``squeezenet1_0``.
            encoder_weights: where training starts: ``imagenet``, a file, or ``none``.
            size: side in pixels of the square to which the input is resized; colours are resized
                back, and for gray input join the luminance at full resolution.
            widths: channels of the decoder's blocks.
            skips: join the encoder's finer maps.
            attention: self-attention after the first block.
        """

        domain: DomainName = "gray"
        weight_l1: NotNegative = 0.0
        weight_adv: NotNegative = 0.0
        extra: ExtraLosses = field(default_factory=lambda: ExtraLosses(mse=1.0))
        encoder: str = "inception_resnet_v2"
        encoder_weights: str = "imagenet"
        size: Side = 400
        widths: tuple[Width, ...] = (512, 256, 128, 64, 32)
        skips: bool = False
        attention: bool = False

        @property
        def learnt_from(self) -> str:
            encoder = encoder_learnt_from(self.encoder, self.encoder_weights)
            return "; ".join(filter(None, (encoder, super().learnt_from)))

        def smoke(self) -> InceptionUNet.Config:
            return replace(
                self,
                encoder="test_efficientnet",
                encoder_weights="none",
                size=64,
                widths=(64, 48, 32, 24, 16),
                discriminator_width=8,
                lr=1e-3,
                extra=self.extra.smoke(),
            )

    def __init__(self, config: Config) -> None:
        generator = ConvDecoderNetwork(
            config.encoder,
            OUT_CHANNELS[config.domain],
            config.widths,
            config.skips,
            config.attention,
        )
        super().__init__(config, generator, init_generator=False)
        self.config = config

    def load_pretrained(self) -> str:
        return load_encoder(self.generator.get_submodule("encoder"), self.config.encoder_weights)

    def predict(self, batch: Batch) -> Tensor:
        plane = network_input(self.domain, batch)
        resize = resized_by_matrices if torch.jit.is_tracing() else resized  # pyright: ignore
        square = resize(plane, (self.config.size, self.config.size))
        return resize(self.generator(square), plane.shape[-2:])
