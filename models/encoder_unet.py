"""A U-Net on a pretrained encoder: what a network has learnt elsewhere, under one decoder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from ..datasets.base.batch import Batch
from ..datasets.base.bounds import Dropout, Natural, NotNegative, Width
from ..losses.pixel import pixel_loss
from ..losses.pretrained.squeezenet import SQUEEZENET
from ..losses.registration import best_shifted
from ..losses.structural import angular_loss, chord_loss, ssim_loss
from ..losses.terms import Term, Terms
from .base.domain import OUT_CHANNELS, DomainName, network_input, network_target
from .base.extra_losses import ExtraLosses, ExtraTerms
from .base.generator import GeneratorMethod
from .base.padding import pad_and_crop
from .base.self_ensemble import SelfEnsemble, self_ensemble
from .layers.encoder_decoder import EncoderDecoder
from .layers.encoders import encoder_and_others, encoder_learnt_from, load_encoder
from .layers.norms import Norm


class EncoderUNetGenerator(EncoderDecoder):
    """``EncoderDecoder`` up to full resolution, its output in [-1,1] (tanh)."""

    def decode(self, maps: list[Tensor]) -> Tensor:
        """The maps of ``encode`` to BCHW in [-1,1]."""
        return torch.tanh(super().decode(maps))


class EncoderUNet(GeneratorMethod):
    """U-Net on a pretrained encoder, for NIR to RGB and for L* to ab.

    Differs from what papers do: one design for every encoder of timm and for SqueezeNet; the
    encoder learns at a fraction of the rate; the pairs' registration may be off by some pixels.
    """

    name = "encoder_unet"
    decoding: ClassVar[frozenset[str]] = frozenset({"ensemble"})

    @dataclass(frozen=True, kw_only=True)
    class Config(GeneratorMethod.Config):
        """Settings of ``EncoderUNet``. The weights are of terms on RGB in [0,1] (ab/110 for gray).

        Attributes:
            domain: ``nir`` predicts RGB from NIR, ``gray`` predicts ab from L*.
            encoder: ``squeezenet1_0`` or a model of timm.
            encoder_weights: where training starts: ``imagenet``, a file, or ``none``.
            width: the decoder's channels at full resolution.
            dropout: on the encoder's coarsest map.
            norm: of the decoder. A trained encoder keeps its own BatchNorm averages: those of a
                few crops are worse, and an image's tone, which is to be predicted, is lost in them.
            weight_l1: of the absolute error.
            weight_mse: of the squared error.
            weight_ssim: of 1 - SSIM (NIR only).
            weight_angle: of 1 - cos between RGB vectors (NIR only).
            weight_chord: of nearly the angle itself, in radians (NIR only); see ``chord_loss``.
            extra: weights of further terms, which know no ``shift``.
            shift: pixels by which a pair may be off; see ``losses.registration``.
            ensemble: of views of the image when colouring; see ``self_ensemble``.
            lr: AdamW's learning rate; ``encoder_lr`` times it for the encoder.
            weight_decay: AdamW's.
        """

        domain: DomainName = "nir"
        encoder: str = SQUEEZENET
        encoder_weights: str = "imagenet"
        width: Width = 24
        dropout: Dropout = 0.0
        norm: Norm = "none"
        weight_l1: NotNegative = 1.0
        weight_mse: NotNegative = 4.0
        weight_ssim: NotNegative = 0.1
        weight_angle: NotNegative = 2.0
        weight_chord: NotNegative = 0.0
        extra: ExtraLosses = field(default_factory=ExtraLosses)
        shift: Natural = 0
        ensemble: SelfEnsemble = "scales"
        lr: NotNegative = 1e-3
        encoder_lr: NotNegative = 0.1
        weight_decay: NotNegative = 1e-2

        @property
        def learnt_from(self) -> str:
            encoder = encoder_learnt_from(self.encoder, self.encoder_weights)
            return "; ".join(filter(None, (encoder, self.extra.learnt_from)))

        def smoke(self) -> EncoderUNet.Config:
            return replace(
                self,
                encoder="test_efficientnet",
                encoder_weights="none",
                width=8,
                lr=1e-3,  # those of a recipe are for weights that are trained already
                encoder_lr=1.0,
                ensemble="none",
                extra=self.extra.smoke(),
            )

    def __init__(self, config: Config) -> None:
        super().__init__(config.domain)
        self.config = config
        self.generator = EncoderUNetGenerator(
            config.encoder,
            OUT_CHANNELS[config.domain],
            config.width,
            config.dropout,
            config.norm,
            config.encoder_weights != "none",
        )
        self.stride: int = self.generator.stride
        self.extra = ExtraTerms(config.extra)

    def load_pretrained(self) -> str:
        return load_encoder(self.generator.get_submodule("encoder"), self.config.encoder_weights)

    def optimizers(self) -> dict[str, Optimizer]:
        config, encoder = self.config, self.generator.get_submodule("encoder")
        rate = config.encoder_lr * config.lr
        groups = encoder_and_others(self.generator.parameters(), encoder, rate)
        return {"generator": AdamW(groups, lr=config.lr, weight_decay=config.weight_decay)}

    def losses(self, batch: Batch) -> Terms:
        config = self.config
        output = self.predict(batch)
        prediction, true = output.float(), network_target(config.domain, batch)
        if config.domain == "nir":
            prediction, true = (prediction + 1) / 2, (true + 1) / 2
        prediction, true = best_shifted(prediction, true, config.shift)
        terms = {
            "l1": Term(pixel_loss("l1", prediction, true), config.weight_l1),
            "mse": Term(pixel_loss("mse", prediction, true), config.weight_mse),
        }
        if config.domain == "nir":
            terms["ssim"] = Term(ssim_loss(prediction, true), config.weight_ssim)
            terms["angle"] = Term(angular_loss(prediction, true), config.weight_angle)
            terms["chord"] = Term(chord_loss(prediction, true), config.weight_chord)
        extra = self.extra(config.domain, output, batch)
        return terms | {f"extra_{name}": term for name, term in extra.items()}

    def predict_ensembled(self, batch: Batch) -> Tensor:
        kind = self.config.ensemble

        def run(image: Tensor) -> Tensor:
            return self_ensemble(self.generator, image, kind)

        stride = 2 * self.stride if kind == "scales" else self.stride
        return pad_and_crop(run, network_input(self.domain, batch), stride)
