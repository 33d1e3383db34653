"""Loss terms that any method with a generator can have beside its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...datasets.base.batch import Batch
from ...datasets.base.bounds import Checked, NotNegative, Positive
from ...losses.colorfulness import colorfulness_loss
from ...losses.lpips import LpipsLoss
from ...losses.perceptual import Distance, PerceptualLoss
from ...losses.pixel import pixel_loss
from ...losses.structural import angular_loss, ms_ssim_loss, ssim_loss, total_variation
from ...losses.terms import Term, Terms
from .domain import DomainName, network_target, output_to_rgb

_OF_PAIRS = {"ssim": ssim_loss, "ms_ssim": ms_ssim_loss, "angle": angular_loss}
_OF_ONE = {"total_variation": total_variation, "colorfulness": colorfulness_loss}


@dataclass(frozen=True, kw_only=True)
class ExtraLosses(Checked):
    """Weights of further terms; 0 leaves one out.

    Attributes:
        mse: squared error of the output in [-1,1].
        huber: Huber error of the same.
        huber_delta: its kink (1/110 is one ab unit).
        ssim: 1 - SSIM; this and all that follow look at the colours as sRGB in [0,1].
        ms_ssim: 1 - MS-SSIM.
        angle: 1 - cos between RGB vectors.
        total_variation: roughness, whatever the target's.
        colorfulness: 1 - CF/100, whatever the target's.
        lpips: LPIPS distance, by the network ``lpips_net`` (``alex``, ``squeeze`` or ``vgg``).
        perceptual: distance of a classifier's features; see ``losses.perceptual``.
        backbone: that classifier: ``vgg16``, ``vgg16_bn``, ``squeezenet1_0``, or one of timm.
        backbone_weights: ``imagenet``, or a file.
        layers: the features' names and weights; the backbone's usual ones unless given.
        distance: of features.
    """

    _prefix: ClassVar[str] = "method.extra."

    mse: NotNegative = 0.0
    huber: NotNegative = 0.0
    huber_delta: Positive = 1 / 110
    ssim: NotNegative = 0.0
    ms_ssim: NotNegative = 0.0
    angle: NotNegative = 0.0
    total_variation: NotNegative = 0.0
    colorfulness: NotNegative = 0.0
    lpips: NotNegative = 0.0
    lpips_net: str = "vgg"
    perceptual: NotNegative = 0.0
    backbone: str = "vgg16"
    backbone_weights: str = "imagenet"
    layers: tuple[tuple[str, NotNegative], ...] = ()
    distance: Distance = "l1"

    def smoke(self) -> ExtraLosses:
        """The same without the trained networks, whose weights a test has not."""
        return replace(self, perceptual=0.0, lpips=0.0)

    @property
    def learnt_from(self) -> str:
        """What the trained networks have learnt from, for tables; "" where there are none."""
        sources = []
        if self.perceptual:
            sources.append(f"loss on {self.backbone}: {Path(self.backbone_weights).name}")
        if self.lpips:
            sources.append(f"loss on LPIPS-{self.lpips_net}: imagenet")
        return "; ".join(sources)


class ExtraTerms(nn.Module):
    """The terms of ``ExtraLosses`` on a generator's output.

    Raises:
        UserError: as ``PerceptualLoss``.
    """

    def __init__(self, weights: ExtraLosses) -> None:
        super().__init__()
        self.weights = weights
        self.trained = nn.ModuleDict()
        if weights.lpips:
            self.trained["lpips"] = LpipsLoss(weights.lpips_net)
        if weights.perceptual:
            self.trained["perceptual"] = PerceptualLoss(
                weights.backbone, weights.backbone_weights, dict(weights.layers), weights.distance
            )

    def forward(self, domain: DomainName, output: Tensor, batch: Batch) -> Terms:
        """The named terms that have a weight.

        Args:
            domain: how the output is meant; see ``domain.network_target``.
            output: BCHW in [-1,1], of the batch's size.
            batch: with ``rgb`` and, where some pixels do not count, ``valid``.
        """
        weights, values = self.weights, {}
        valid = batch.get("valid")
        for name in ("mse", "huber"):
            if getattr(weights, name):
                target = network_target(domain, batch)
                values[name] = pixel_loss(name, output, target, valid, weights.huber_delta)
        if self.trained or any(getattr(weights, name) for name in (*_OF_PAIRS, *_OF_ONE)):
            rgb = batch["rgb"]
            rgb_hat = output_to_rgb(domain, output.float(), batch)
            if valid is not None:
                rgb_hat = torch.where(valid > 0, rgb_hat, rgb)  # equal where nothing counts
            values |= self._of_images(rgb_hat, rgb)
        return {name: Term(value, getattr(weights, name)) for name, value in values.items()}

    def _of_images(self, rgb_hat: Tensor, rgb: Tensor) -> dict[str, Tensor]:
        values = {n: f(rgb_hat, rgb) for n, f in _OF_PAIRS.items() if getattr(self.weights, n)}
        values |= {n: f(rgb_hat) for n, f in _OF_ONE.items() if getattr(self.weights, n)}
        return values | {name: loss(rgb_hat, rgb) for name, loss in self.trained.items()}
