"""Adversarial losses on a discriminator's logits."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..datasets.base.errors import UserError, unknown

GanLoss = Literal["bce", "lsgan", "hinge"]


def discriminator_loss(kind: GanLoss, real: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator minimises, averaged over real and fake.

    Args:
        kind: ``bce`` (Goodfellow et al. 2014, on logits), ``lsgan`` (Mao et al. 2017, targets 1
            and 0) or ``hinge`` (Lim and Ye 2017, margin 1).
        real: logits of any shape on true images.
        fake: logits on generated images, detached from the generator.

    Returns:
        Scalar: half the sum of the two means (pix2pix, section 3.3, slows the discriminator so).

    Raises:
        UserError: unknown ``kind``.
    """
    if kind == "hinge":
        return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())
    return 0.5 * (_toward(kind, real, 1.0) + _toward(kind, fake, 0.0))


def generator_loss(kind: GanLoss, fake: Tensor) -> Tensor:
    """What the generator minimises: logits of its images should look real (non-saturating).

    Args:
        kind: as in ``discriminator_loss``.
        fake: logits on generated images.

    Returns:
        Scalar.

    Raises:
        UserError: unknown ``kind``.
    """
    return -fake.mean() if kind == "hinge" else _toward(kind, fake, 1.0)


def _toward(kind: str, logits: Tensor, label: float) -> Tensor:
    target = torch.full_like(logits, label)
    if kind == "bce":
        return F.binary_cross_entropy_with_logits(logits, target)
    if kind == "lsgan":
        return F.mse_loss(logits, target)
    raise UserError(unknown("GAN loss", kind, GanLoss.__args__))
