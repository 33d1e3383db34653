"""A U-Net on a pretrained encoder: what a network has learnt elsewhere, under one decoder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from ..datasets.base.batch import Batch
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
from .layers.double_conv import double_conv
from .layers.encoders import (
    Encoder,
    averages_to_eval,
    build_encoder,
    encoder_learnt_from,
    load_encoder,
)
from .layers.norms import Norm

_CAP = 8  # most channels of the decoder, in multiples of its width
_STEM = 16  # channels at full resolution, where encoders have none


class EncoderUNetGenerator(nn.Module):
    """An encoder's maps, joined from the coarsest to full resolution by pairs of convolutions.

    Args:
        encoder: see ``encoders.build_encoder``.
        out_channels: planes put out, in [-1,1] (tanh).
        width: channels at full resolution, doubled at every halving up to eightfold.
        dropout: share of the coarsest map's channels left out in training.
        norm: normalisation after each of the decoder's pairs of convolutions.
        frozen_averages: keep the encoder's BatchNorm averages in training.
    """

    def __init__(
        self,
        encoder: str,
        out_channels: int,
        width: int,
        dropout: float,
        norm: Norm,
        frozen_averages: bool,
    ) -> None:
        super().__init__()
        self.frozen_averages = frozen_averages
        self.encoder = build_encoder(encoder)
        maps = cast(Encoder, self.encoder)
        self.stem = nn.Sequential(nn.Conv2d(1, _STEM, 3, padding=1), nn.ReLU())
        skips = {1: _STEM, **dict(zip(maps.reductions, maps.widths, strict=True))}
        coarsest = max(skips)
        below = self.coarsest_channels = skips.pop(coarsest)
        self.dropout = nn.Dropout2d(dropout)
        self.narrow, self.decoder = nn.ModuleDict(), nn.ModuleDict()
        scale = coarsest // 2
        while scale >= 1:
            channels = width * min(scale, _CAP)
            self.narrow[str(scale)] = nn.Conv2d(below, channels, 1)
            self.decoder[str(scale)] = double_conv(channels + skips.get(scale, 0), channels, norm)
            below, scale = channels, scale // 2
        self.head = nn.Conv2d(below, out_channels, 3, padding=1)
        self.stride = coarsest

    def train(self, mode: bool = True) -> Self:
        """As ever, but for the encoder's averages where these are frozen."""
        super().train(mode)
        if self.frozen_averages:
            averages_to_eval(self.encoder)
        return self

    def encode(self, plane: Tensor) -> list[Tensor]:
        """B1HW in [-1,1], sides multiples of ``stride``, to maps, the coarsest last."""
        encoder_net = cast(Encoder, self.encoder)
        *finer, coarsest = encoder_net(plane)
        return [self.stem(plane), *finer, self.dropout(coarsest)]

    def decode(self, maps: list[Tensor]) -> Tensor:
        """The maps of ``encode`` to BCHW in [-1,1]."""
        *finer, feature = maps
        # a timm encoder may have a map at full size, which counts instead of the stem's
        skips = dict(zip((1, *cast(Encoder, self.encoder).reductions[:-1]), finer, strict=True))
        for scale, block in self.decoder.items():
            feature = self.narrow[scale](feature)
            feature = F.interpolate(feature, scale_factor=2, mode="bilinear", align_corners=False)
            skip = skips.get(int(scale))
            feature = block(feature if skip is None else torch.cat([feature, skip], dim=1))
        return torch.tanh(self.head(feature))

    def forward(self, plane: Tensor) -> Tensor:
        """B1HW in [-1,1], sides multiples of ``stride``: BCHW in [-1,1]."""
        return self.decode(self.encode(plane))


class EncoderUNet(GeneratorMethod):
    """U-Net on a pretrained encoder, for NIR to RGB and for L* to ab.

    Differs from what papers do: one design for every encoder of timm and for SqueezeNet; the
    encoder learns at a fraction of the rate; the pairs' registration may be off by some pixels.
    """

    name = "encoder_unet"

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
        width: int = 24
        dropout: float = 0.0
        norm: Norm = "none"
        weight_l1: float = 1.0
        weight_mse: float = 4.0
        weight_ssim: float = 0.1
        weight_angle: float = 2.0
        weight_chord: float = 0.0
        extra: ExtraLosses = field(default_factory=ExtraLosses)
        shift: int = 0
        ensemble: SelfEnsemble = "scales"
        lr: float = 1e-3
        encoder_lr: float = 0.1
        weight_decay: float = 1e-2

        @property
        def learnt_from(self) -> str:
            encoder = encoder_learnt_from(self.encoder, self.encoder_weights)
            return "; ".join(filter(None, (encoder, self.extra.learnt_from)))

        def smoke(self) -> EncoderUNet.Config:
            return replace(
                self,
                width=8,
                encoder_weights="none",
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
        known = set(encoder.parameters())
        groups = [
            {"params": list(encoder.parameters()), "lr": config.encoder_lr * config.lr},
            {"params": [p for p in self.generator.parameters() if p not in known]},
        ]
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
