"""What CoColor's training asks of results, of pairs of paths, and of translated images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor

from ...datasets.base.batch import Batch
from ...datasets.base.bounds import Checked, NotNegative
from ...datasets.base.errors import UserError
from ...losses.pixel import pixel_loss
from ...losses.structural import angular_loss, channel_cosine_loss, chord_loss, ssim_loss
from ...losses.terms import Term, Terms
from ..base.domain import DomainName
from .paths import PathResult, luminance

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class LossWeights(Checked):
    """Weights of terms on images in [0,1]; 0 leaves a term out.

    Attributes:
        weight_l1: of the absolute RGB error of each path.
        weight_mse: of its squared error.
        weight_ssim: of its 1 - SSIM.
        weight_angle: of its 1 - cos between RGB vectors.
        weight_chord: of nearly the angle between these itself, in radians; see ``chord_loss``.
        weight_pixel_consistency: of the L1 distance of two paths' RGB from the same image.
        weight_feature_consistency: of 1 - cos between their coarsest features; needs two
            colorizers that show these, with equal channels and strides.
        weight_translation: of the L1 error of the translated images of pairs.
        weight_translation_ssim: of 1 - SSIM of the same.
    """

    weight_l1: NotNegative = 1.0
    weight_mse: NotNegative = 4.0
    weight_ssim: NotNegative = 0.1
    weight_angle: NotNegative = 2.0
    weight_chord: NotNegative = 0.0
    weight_pixel_consistency: NotNegative = 0.1
    weight_feature_consistency: NotNegative = 0.1
    weight_translation: NotNegative = 1.0
    weight_translation_ssim: NotNegative = 0.1

    def __post_init__(self) -> None:
        """Check that something is learnt from the truth."""
        if not any(weight for _, weight in self._errors().values()):
            names = ", ".join(f"weight_{kind}" for kind in self._errors())
            raise UserError(
                f"all of {names} are 0: nothing is learnt from the true colours; set one"
            )

    @property
    def translates(self) -> bool:
        """Whether translated images are compared with true ones."""
        return bool(self.weight_translation or self.weight_translation_ssim)

    def error_terms(self, name: str, rgb_hat: Tensor, rgb: Tensor) -> Terms:
        """Of one result, B3HW, against the truth, B3HW."""
        return _weighted(name, self._errors(), rgb_hat, rgb)

    def consistency_terms(self, name: str, one: PathResult, two: PathResult) -> Terms:
        """How far two paths are apart that end in the same pictures; both learn from it."""
        terms: Terms = {}
        if self.weight_pixel_consistency:
            distance = pixel_loss("l1", one.rgb, two.rgb)
            terms[f"pixel_{name}"] = Term(distance, self.weight_pixel_consistency)
        if self.weight_feature_consistency:
            first, second = cast(Tensor, one.feature), cast(Tensor, two.feature)
            distance = channel_cosine_loss(first.float(), second.float())
            terms[f"feature_{name}"] = Term(distance, self.weight_feature_consistency)
        return terms

    def translation_terms(self, name: str, translated: Tensor, true: Tensor) -> Terms:
        """Of translated images, B1HW, against the pairs' true ones, B1HW."""
        losses: dict[str, tuple[Loss, float]] = {
            "l1": (partial(pixel_loss, "l1"), self.weight_translation),
            "ssim": (ssim_loss, self.weight_translation_ssim),
        }
        return _weighted(name, losses, translated, true)

    def _errors(self) -> dict[str, tuple[Loss, float]]:
        """What a result is held against the truth by, with its weight."""
        return {
            "l1": (partial(pixel_loss, "l1"), self.weight_l1),
            "mse": (partial(pixel_loss, "mse"), self.weight_mse),
            "ssim": (ssim_loss, self.weight_ssim),
            "angle": (angular_loss, self.weight_angle),
            "chord": (chord_loss, self.weight_chord),
        }


class TrainingPlanes(NamedTuple):
    """A training batch as the two domains see it: B pairs, and photographs after them for gray."""

    planes: dict[DomainName, Tensor]  # B1HW NIR, and B'1HW gray
    truth: dict[DomainName, Tensor]  # their RGB
    pairs: int  # B

    @classmethod
    def of(cls, batch: Batch) -> TrainingPlanes:
        """From a batch with ``nir``, ``rgb`` and perhaps ``photo``."""
        rgb, photo = batch["rgb"], batch.get("photo")
        colour = rgb if photo is None else torch.cat([rgb, photo])
        return cls(
            {"nir": batch["nir"], "gray": luminance(colour)}, {"nir": rgb, "gray": colour}, len(rgb)
        )

    @property
    def paired_gray(self) -> Tensor:
        """B1HW, the gray images of the pairs."""
        return self.planes["gray"][: self.pairs]


def _weighted(
    name: str, losses: dict[str, tuple[Loss, float]], prediction: Tensor, true: Tensor
) -> Terms:
    return {
        f"{kind}_{name}": Term(loss(prediction, true), weight)
        for kind, (loss, weight) in losses.items()
        if weight
    }
