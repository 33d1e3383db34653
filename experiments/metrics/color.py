"""Colour errors and colour statistics, per image; sRGB in [0,1], float64 B3HW."""

from __future__ import annotations

import torch
from torch import Tensor

from ...datasets.base.color import rgb_to_lab
from ...losses.colorfulness import hasler_susstrunk

_NORM_EPS = 1e-6


def angular_error(prediction: Tensor, target: Tensor) -> Tensor:
    """AE: mean angle between the RGB vectors in degrees, (B,); range [0,90], lower is better.

    The cosine is <p,q> / (|p| |q| + 1e-6), cut to [-1,1]. Two black pixels therefore count as 90
    degrees, and equal pixels as 0.08 degrees over their norm rather than 0. Brightness does not
    matter: p and 2p are 0 degrees apart. It is the "AE" of the NIR colorization papers; the
    absolute error is ``MAE``. In float32 the arc cosine alone is wrong by some 1e-6 in the mean.
    """
    dot = (prediction * target).sum(1)
    norms = prediction.norm(dim=1) * target.norm(dim=1)
    cosine = (dot / (norms + _NORM_EPS)).clamp(-1, 1)
    return cosine.arccos().rad2deg().mean(dim=(1, 2))


def ab_moments(image: Tensor) -> Tensor:
    """Mean and standard deviation of a and of b over one image's pixels, in CIE units.

    The prediction's are to be close to the truth's. Training with L1 or L2 typically ends at half
    the truth's standard deviation: desaturated pictures.

    Returns:
        (B, 4): a_mean, a_std, b_mean, b_std; a in -86..98 and b in -108..94 for sRGB colours, the
        deviations (over all pixels, not a sample's) in 0..101.
    """
    std, mean = torch.std_mean(rgb_to_lab(image)[:, 1:], dim=(2, 3), correction=0)
    return torch.stack([mean, std], dim=2).flatten(1)


def colorfulness(image: Tensor) -> Tensor:
    """CF of Hasler and Süsstrunk, (B,), with signed opponent channels; to be close to the truth's.

    sqrt(var rg + var yb) + 0.3 sqrt(mean rg² + mean yb²) with rg = R - G and yb = (R + G)/2 - B
    in 0-255. Range 0 (gray) to about 300; 15 slightly, 33 moderately, 59 quite, above 80 highly
    colourful.

    Paper: Hasler and Süsstrunk, Measuring Colourfulness in Natural Images, SPIE 2003.
    """
    return hasler_susstrunk(image)


def colorfulness_abs(image: Tensor) -> Tensor:
    """CF as CT2, DDColor and the tables after them compute it, (B,): ``|rg|`` and ``|yb|``.

    The magnitudes are taken before mean and deviation, so values differ from ``colorfulness``
    (range 0 to about 200). Published CF and delta-CF figures are of this kind.
    """
    return hasler_susstrunk(image, absolute=True)
