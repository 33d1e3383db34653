"""One network's predictions on several views of an image, joined into one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

SelfEnsemble = Literal["none", "flip", "scales"]

_CELL = 4  # pixels along a side in which the half-size prediction counts


def self_ensemble(network: Callable[[Tensor], Tensor], image: Tensor, kind: SelfEnsemble) -> Tensor:
    """The network's prediction, or a mean of several.

    Paper: Timofte et al. 2016, "Seven Ways to Improve Example-Based Single Image
    Super-Resolution", section 3.6, for the mirror image.
    Differs: ``scales`` also predicts at half the size, where the network sees twice as much of
    the scene; only the colour of 4x4 cells is averaged with it, so that no detail is lost.

    Args:
        network: maps BCHW to BC'HW of the same H and W, at full and at half size.
        image: BCHW; for ``scales`` with sides that are multiples of 4.
        kind: ``none``; ``flip``, with the mirror image; ``scales``, ``flip`` at two sizes.

    Returns:
        BC'HW.
    """
    if kind == "none":
        return network(image)
    full = _with_mirror_image(network, image)
    if kind == "flip":
        return full
    half = _with_mirror_image(network, F.avg_pool2d(image, 2))
    coarse = F.avg_pool2d(half, _CELL // 2) - F.avg_pool2d(full, _CELL)
    return full + F.interpolate(coarse / 2, scale_factor=_CELL, mode="bilinear")


def _with_mirror_image(network: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    return (network(image) + network(image.flip(-1)).flip(-1)) / 2
