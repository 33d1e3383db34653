"""How close two forms of one network are, in decibels."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from ...datasets.base.color import AB_SCALE

_PEAK = {"gray": 2 * AB_SCALE, "nir": 1.0}


def parity(domain: str, expected: Sequence[Tensor], results: Sequence[Tensor]) -> float:
    """PSNR in dB on the worst of some pictures, over the output's range.

    The range is 220 for ab (-110 to 110) and 1 for RGB. Infinite when all are the same to the
    bit, NaN when one has another shape or is not finite.
    """
    worst = math.inf
    for true, other in zip(expected, results, strict=True):
        if true.shape != other.shape or not other.isfinite().all():
            return math.nan
        mse = float((true.double() - other.double()).square().mean())
        if mse > 0:
            worst = min(worst, 20 * math.log10(_PEAK[domain]) - 10 * math.log10(mse))
    return worst
