"""Whether fine detail of pictures comes from what a method was given: an audit of NIR results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...datasets.base.adapter import Source
from ...datasets.base.batch import Batch
from ...datasets.base.color import LUMA
from ...datasets.base.errors import DataError
from ...datasets.loading.loader import eval_loader
from ...datasets.loading.views import EvalView

SIGMA = 2.0  # pixels; detail is what this Gaussian takes away
_RADIUS = 8


@dataclass(frozen=True, kw_only=True)
class DetailRow:
    """Correlations of the fine detail of one image's luma, each in [-1,1].

    Attributes:
        key: of the image.
        prediction_truth: of the prediction with the true picture.
        prediction_nir: of the prediction with the NIR that the method was given.
        nir_truth: of that NIR with the true picture.
    """

    key: str
    prediction_truth: float
    prediction_nir: float
    nir_truth: float


def detail(plane: Tensor, sigma: float = SIGMA) -> Tensor:
    """B1HW less its blur by a Gaussian (mirrored at the border), float64, in the plane's unit."""
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, dtype=torch.float64)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    plane = plane.double()
    blurred = F.conv2d(F.pad(plane, (_RADIUS,) * 4, mode="reflect"), kernel.view(1, 1, 1, -1))
    return plane - F.conv2d(blurred, kernel.view(1, 1, -1, 1))


def luma(rgb: Tensor) -> Tensor:
    """B3HW sRGB in [0,1] to B1HW in [0,1]; ITU-R BT.601."""
    return (rgb.double() * torch.tensor(LUMA, dtype=torch.float64).view(1, 3, 1, 1)).sum(
        1, keepdim=True
    )


@torch.no_grad()
def audit_detail(
    colorize: Callable[[Batch], Tensor], source: Source, view: EvalView
) -> list[DetailRow]:
    """Correlate the detail of predictions, true pictures and NIR, image by image.

    What a method was not given it can only guess. Fine detail of luma that agrees with the truth
    much better than NIR does has come from somewhere else: from colour edges that a network can
    guess, or from having seen the scene. It takes controls to tell these apart.

    Args:
        colorize: batch to B3HW sRGB in [0,1].
        source: pairs of NIR and RGB.
        view: their geometry.

    Raises:
        DataError: an image without NIR or colour, or smaller than the blur.
    """
    rows = []
    for batch in eval_loader(source, view, 1, 0):
        key = batch["key"][0]
        if "nir" not in batch or "rgb" not in batch:
            raise DataError(f"{key} has no pair of NIR and colour; take a dataset of pairs")
        if min(batch["rgb"].shape[-2:]) <= _RADIUS:
            raise DataError(f"{key}: needs more than {_RADIUS} pixels a side")
        planes = luma(colorize(batch)), luma(batch["rgb"]), batch["nir"]
        prediction, truth, nir = (detail(plane).flatten() for plane in planes)
        rows.append(
            DetailRow(
                key=key,
                prediction_truth=_correlation(prediction, truth),
                prediction_nir=_correlation(prediction, nir),
                nir_truth=_correlation(nir, truth),
            )
        )
    return rows


def mean_rows(
    rows: Sequence[DetailRow], subsets: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, float]]:
    """Means of the correlations over all images and over each subset of keys that has any."""
    chosen = {"all": [row.key for row in rows], **subsets}
    means = {}
    for name, keys in chosen.items():
        members = [row for row in rows if row.key in set(keys)]
        if members:
            means[name] = {
                field: round(sum(getattr(row, field) for row in members) / len(members), 4)
                for field in ("prediction_truth", "prediction_nir", "nir_truth")
            }
    return means


def _correlation(one: Tensor, other: Tensor) -> float:
    """Pearson's; 0 where a plane has no detail at all."""
    one, other = one - one.mean(), other - other.mean()
    scale = one.norm() * other.norm()
    return float(one @ other / scale) if scale > 0 else 0.0
