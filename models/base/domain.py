"""The two problems of the suite: how a plane enters a network and how its output becomes colour."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ...datasets.base.batch import Batch
from ...datasets.base.color import AB_SCALE, Gamut, lab_to_rgb, rgb_to_lab

DomainName = Literal["nir", "gray"]

IN_CHANNELS = 1
OUT_CHANNELS: dict[str, int] = {"nir": 3, "gray": 2}


def network_input(domain: DomainName, batch: Batch) -> Tensor:
    """The input plane scaled to [-1,1]: B1HW, L*/50 - 1 for gray, 2 NIR - 1 for NIR."""
    return 2 * batch[domain] - 1


def network_target(domain: DomainName, batch: Batch) -> Tensor:
    """What the network should put out, in [-1,1]: ab/110 (B2HW) for gray, 2 RGB - 1 (B3HW)."""
    if domain == "gray":
        return rgb_to_lab(batch["rgb"])[:, 1:] / AB_SCALE
    return 2 * batch["rgb"] - 1


def output_to_rgb(
    domain: DomainName, output: Tensor, batch: Batch, gamut: Gamut = "chroma"
) -> Tensor:
    """A network's output as B3HW sRGB [0,1] of the batch's size.

    Gray: the given luminance is kept as it is, the predicted ab joins it, and colours outside
    sRGB lose chroma instead of changing L*. An output of another size than the batch (a network
    that runs at its own resolution) is resized bilinearly; the luminance never is.

    Args:
        domain: of the network.
        output: BCHW, about [-1,1]; see ``network_target``.
        batch: holds the plane that was given.
        gamut: what becomes of ab outside sRGB. Losses that ask for colour or for realism need
            ``clip``: ``chroma`` passes their gradient on to ab that is outside already, and they
            drive it out without end (DDColor's on four images: 60 units in 125 steps).
    """
    size = batch[domain].shape[-2:]
    if output.shape[-2:] != size:
        output = torch.nn.functional.interpolate(
            output, size=size, mode="bilinear", align_corners=False, antialias=True
        )
    if domain == "nir":
        return ((output + 1) / 2).clamp(0, 1)
    lab = torch.cat([100 * batch["gray"], AB_SCALE * output], dim=1)
    return lab_to_rgb(lab, gamut=gamut)
