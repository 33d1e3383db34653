"""ColorMamba: an RGB network with selective scans, guided by an HSV network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from ...datasets.base.batch import Batch
from ...datasets.base.bounds import Decay, NotNegative, Width
from ...datasets.base.color import AB_SCALE, rgb_to_lab
from ...losses.adversarial import discriminator_loss, generator_loss
from ...losses.features import feature_loss
from ...losses.hsv import circular_hsv, stretched, stretched_hsv
from ...losses.pixel import pixel_loss
from ...losses.structural import angular_loss, ms_ssim_loss
from ...losses.terms import Term, Terms
from ..base.domain import DomainName, output_to_rgb
from ..base.method import Method, Step
from ..base.padding import pad_and_crop
from ..layers.patchgan import PatchGAN
from .networks import ColorMambaGenerator, Design

_SMOKE = {
    "width": 8,
    "levels": 6,
    "hsv_width": 4,
    "spade_width": 8,
    "d_state": 2,
    "heads": 2,
    "size": 32,
}


class ColorMambaMethod(Method):
    """What both configurations share: the generator, a critic of either output, the step.

    Subclasses say what the targets are and how far the planes are from them. A gray image gives
    its L* to the network, and the ab of the RGB that comes out joins the given L*.
    """

    critic_weight: ClassVar[float] = 1.0
    generator_updates: ClassVar[int] = 1  # for one of each critic

    @dataclass(frozen=True, kw_only=True)
    class Config(Method.Config):
        """Settings of both configurations.

        Attributes:
            domain: ``nir`` or ``gray``.
            design: the generator.
            weight_adv: of either adversarial term; 0 builds no critics.
            critic_width: channels after a critic's first convolution.
            lr: Adam's learning rate (all networks), ``beta1`` its first moment.
        """

        domain: DomainName = "nir"
        design: Design = field(default_factory=Design)
        weight_adv: NotNegative = 1.0
        critic_width: Width = 64
        lr: NotNegative = 1e-4
        beta1: Decay = 0.5

        def smoke(self) -> Self:
            return replace(self, design=replace(self.design, **_SMOKE), critic_width=8, lr=2e-3)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.stride = 2**config.design.levels
        self.generator = ColorMambaGenerator(config.design)
        outputs = ("rgb", "hsv") if config.design.hsv_branch else ("rgb",)
        self._critics = [f"critic_{name}" for name in outputs] if config.weight_adv else []
        for name in self._critics:
            setattr(self, name, PatchGAN(3, config.critic_width, norm="spectral"))

    @property
    def domain(self) -> DomainName:
        return self.config.domain

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({self.domain, "rgb"})

    def networks(self) -> dict[str, nn.Module]:
        return {name: self.get_submodule(name) for name in ("generator", *self._critics)}

    def optimizers(self) -> dict[str, Optimizer]:
        betas = (self.config.beta1, 0.999)
        return {
            name: Adam(network.parameters(), lr=self.config.lr, betas=betas)
            for name, network in self.networks().items()
        }

    def targets(self, batch: Batch) -> list[Tensor]:
        """What the RGB and the HSV planes should be: two B3HW."""
        raise NotImplementedError

    def reconstruction(
        self, planes: list[Tensor], targets: list[Tensor], valid: Tensor | None
    ) -> Terms:
        """Terms between planes (RGB and, with an HSV network, HSV) and targets, B3HW each."""
        raise NotImplementedError

    def training_step(self, batch: Batch, step: Step) -> None:
        planes, targets = self._planes(batch), self.targets(batch)
        for name, fake, real in zip(self._critics, planes, targets, strict=False):
            critic = self.get_submodule(name)
            loss = discriminator_loss("lsgan", critic(real), critic(fake.detach()))
            step.backward({f"adv_{name}": Term(loss, self.critic_weight)}, name)
            step.update(name)
        for update in range(self.generator_updates):
            planes = self._planes(batch) if update else planes
            with step.frozen(*self._critics):
                terms = self.reconstruction(planes, targets, batch.get("valid"))
                for name, fake in zip(self._critics, planes, strict=False):
                    adv = generator_loss("lsgan", self.get_submodule(name)(fake))
                    terms[f"adv_g_{name}"] = Term(adv, self.config.weight_adv)
                step.backward(terms, "generator")
            step.update("generator")

    def colorize(self, batch: Batch) -> Tensor:
        rgb = self._planes(batch)[0]
        if self.domain == "nir":
            return rgb.clamp(0, 1)
        return output_to_rgb("gray", rgb_to_lab(rgb)[:, 1:] / AB_SCALE, batch)

    def _planes(self, batch: Batch) -> list[Tensor]:
        """RGB and, with an HSV network, its planes: B3HW float32 of the batch's size."""

        def joined(image: Tensor) -> Tensor:
            hsv_hat, rgb_hat = self.generator(image)
            return rgb_hat if hsv_hat is None else torch.cat([rgb_hat, hsv_hat], dim=1)

        planes = pad_and_crop(joined, batch[self.domain], self.stride)
        return list(planes.float().split(3, dim=1))


class ColorMamba(ColorMambaMethod):
    """The dual RGB and HSV network on selective scans, with the released code's defects mended.

    Paper: Zhai, Jin, Yang and Kang 2024 (ColorMamba, arXiv 2408.08087), by its released code
    (AlexYangxx/ColorMamba, commit d1abb85); the paper's text was not at hand.
    Differs: see ``ColorMambaGenerator`` for the network. Targets are not stretched; HSV is
    circular; the loss is one sum of L1, squared, angular, structural and feature terms of weights
    near 1 instead of up to 2000 (the adversarial ones keep their small share); MS-SSIM is the
    standard one; one generator update a step; spectral norm's vectors are no parameters.
    """

    name = "colormamba"

    @dataclass(frozen=True, kw_only=True)
    class Config(ColorMambaMethod.Config):
        """Settings of ``ColorMamba``. The weights are of terms on images in [0,1].

        Attributes:
            weight_l1: of the absolute error of RGB.
            weight_mse: of the squared error of RGB.
            weight_angle: of 1 - cos between RGB vectors.
            weight_ms_ssim: of 1 - MS-SSIM of RGB.
            weight_feature: of both parts of the feature loss on RGB.
            weight_hsv: of the absolute error of (s cos h, s sin h, v).
        """

        weight_l1: NotNegative = 1.0
        weight_mse: NotNegative = 2.0
        weight_angle: NotNegative = 5.0
        weight_ms_ssim: NotNegative = 0.3
        weight_feature: NotNegative = 0.5
        weight_hsv: NotNegative = 0.3
        weight_adv: NotNegative = 0.001
        lr: NotNegative = 3e-4
        beta1: Decay = 0.9

    config: Config

    def targets(self, batch: Batch) -> list[Tensor]:
        return [batch["rgb"], circular_hsv(batch["rgb"])]

    def reconstruction(
        self, planes: list[Tensor], targets: list[Tensor], valid: Tensor | None
    ) -> Terms:
        config, rgb_hat, rgb = self.config, planes[0], targets[0]
        squared, angle = feature_loss(rgb_hat, rgb)
        terms = {
            "l1_rgb": Term(pixel_loss("l1", rgb_hat, rgb, valid), config.weight_l1),
            "mse_rgb": Term(pixel_loss("mse", rgb_hat, rgb, valid), config.weight_mse),
            "angle_rgb": Term(angular_loss(rgb_hat, rgb, valid), config.weight_angle),
            "ms_ssim_rgb": Term(ms_ssim_loss(rgb_hat, rgb), config.weight_ms_ssim),
            "feature_mse_rgb": Term(squared, config.weight_feature),
            "feature_angle_rgb": Term(angle, config.weight_feature),
        }
        if len(planes) > 1:
            error = pixel_loss("l1", planes[1], targets[1], valid)
            terms["l1_hsv"] = Term(error, config.weight_hsv)
        return terms


class ColorMambaReleased(ColorMambaMethod):
    """What the public code computes and how it trains, for comparison.

    Its ground truth is stretched per image by its own minimum and maximum, and so is what it
    paints: its score against the true RGB is lower by construction, and the metrics named
    ``-minmax`` are its own convention.

    Paper: Zhai et al. 2024, released code: 100,244,135 generator parameters; LSGAN on either
    output, 100 (20 MSE + 20 R) on RGB and 100 (MSE + R) on HSV, R = feature MSE + feature angle
    + 1 - MS-SSIM; two generator updates for one of each critic; Adam 1e-4 (0.5, 0.999).
    Differs: R's features are those of ``losses.features`` (the code's autoencoder was trained on
    satellite images), its MS-SSIM is the standard one (the code's multiplies the luminance term in
    four times) on planes cut to [0,1], the contrast of targets is not jittered, and spectral
    norm's vectors are no parameters.
    """

    name = "colormamba_released"
    critic_weight = 2.0  # the code adds the halves for real and fake, ours is their mean
    generator_updates = 2

    @dataclass(frozen=True, kw_only=True)
    class Config(ColorMambaMethod.Config):
        """Settings of ``ColorMambaReleased``.

        Attributes:
            weight_rgb: of MSE and each part of R on RGB.
            weight_hsv: of MSE and each part of R on HSV.
        """

        design: Design = field(default_factory=Design.released)
        weight_rgb: NotNegative = 2000.0
        weight_hsv: NotNegative = 100.0

    config: Config

    def targets(self, batch: Batch) -> list[Tensor]:
        return [stretched(batch["rgb"]), stretched_hsv(batch["rgb"])]

    def reconstruction(
        self, planes: list[Tensor], targets: list[Tensor], valid: Tensor | None
    ) -> Terms:
        terms: Terms = {}
        weights = {"rgb": self.config.weight_rgb, "hsv": self.config.weight_hsv}
        for (name, weight), prediction, true in zip(weights.items(), planes, targets, strict=False):
            squared, angle = feature_loss(prediction, true)
            terms[f"mse_{name}"] = Term(pixel_loss("mse", prediction, true, valid), weight)
            terms[f"feature_mse_{name}"] = Term(squared, weight)
            terms[f"feature_angle_{name}"] = Term(angle, weight)
            terms[f"ms_ssim_{name}"] = Term(ms_ssim_loss(prediction.clamp(0, 1), true), weight)
        return terms
