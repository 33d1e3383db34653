"""How close colours come in CIE Lab, per image; sRGB in [0,1], float64 B3HW."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ...datasets.base.color import rgb_to_lab
from ...models.color.ab_bins import nearest_bins
from ...models.color.ab_prior import load_prior

_REACH = 150.0  # ab units: the largest threshold
_CHROMA_KNEE = 25.0**7


def auc(prediction: Tensor, target: Tensor) -> Tensor:
    """AuC in percent, (B,): the share of pixels within t ab units of the truth, averaged over t.

    The threshold t of the Euclidean distance in the ab plane goes from 0 to 150, so that a pixel
    counts 1 - distance / 150, and 0 beyond. Range [0,100], higher is better; a gray picture of a
    usual photograph has about 89.

    Paper: Zhang, Isola and Efros 2016, section 3.1, "raw accuracy".
    Differs: the area itself, where a sum over whole thresholds is a third of a percent off.
    """
    return 100 * _closeness(rgb_to_lab(prediction), rgb_to_lab(target)).mean((1, 2))


def rarity_and_auc(prediction: Tensor, target: Tensor) -> Tensor:
    """What the balanced AuC of a set is made from, (B, 2), means over an image's pixels.

    The weight of a pixel is one over the frequency of its true colour's bin in the prior
    ``imagenet-sample`` (smoothed by 5 neighbours, sigma 5), so that all 313 colours count alike
    on pictures like those of the prior. A bin that the prior lacks weighs as the rarest it has.

    Paper: Zhang, Isola and Efros 2016, section 3.1, "class-balanced" (equation 4, lambda = 0).
    Differs: the prior is that of 630 photographs of ImageNet.

    Returns:
        The weight itself, 1 on pictures like those of the prior; and the weight times what the
        pixel counts in ``auc``. Their sums over a set, the second over the first, are the
        balanced AuC in percent.
    """
    true = rgb_to_lab(target)
    numbers = nearest_bins(true[:, 1:].movedim(1, -1).cpu().numpy())
    weight = _weights()[torch.from_numpy(numbers)].to(target.device)
    weighted = 100 * weight * _closeness(rgb_to_lab(prediction), true)
    return torch.stack([weight.mean((1, 2)), weighted.mean((1, 2))], dim=1)


def ciede2000(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean CIEDE2000 colour difference, (B,); 0 for equal images, 1 just noticeable, lower better.

    In CIE Lab (D65) with kL = kC = kH = 1.

    Paper: Sharma, Wu and Dalal, The CIEDE2000 Color-Difference Formula, 2005, equations 2 to 22.
    """
    return delta_e_2000(rgb_to_lab(prediction), rgb_to_lab(target)).mean((1, 2))


def delta_e_2000(lab: Tensor, other: Tensor) -> Tensor:
    """CIEDE2000 of each pixel, BHW, between two B3HW of CIE Lab; see ``ciede2000``."""
    chroma_ab = (lab[:, 1:].norm(dim=1) + other[:, 1:].norm(dim=1)) / 2
    gain = 1.5 - _saturation(chroma_ab) / 2  # of a, so that nearly gray colours count enough
    (c1, h1), (c2, h2) = (_polar(each[:, 1:], gain) for each in (lab, other))
    chroma = (c1 + c2) / 2
    gray = c1 * c2 == 0
    turn = torch.where(gray, 0.0, _shorter_way(h2 - h1))
    hue = torch.where(gray, h1 + h2, h1 + turn / 2).remainder(360)  # a gray has the other's hue
    squared = ((lab[:, 0] + other[:, 0]) / 2 - 50).square()
    of_lightness = (other[:, 0] - lab[:, 0]) / (1 + 0.015 * squared / (20 + squared).sqrt())
    of_chroma = (c2 - c1) / (1 + 0.045 * chroma)
    of_hue = 2 * (c1 * c2).sqrt() * (turn / 2).deg2rad().sin()
    of_hue = of_hue / (1 + 0.015 * chroma * _hue_factor(hue))
    angle = 60 * (-((hue - 275) / 25).square()).exp()
    rotation = -2 * _saturation(chroma) * angle.deg2rad().sin()
    total = of_lightness.square() + of_chroma.square() + of_hue.square()
    return (total + rotation * of_chroma * of_hue).clamp_min(0).sqrt()


def _saturation(chroma: Tensor) -> Tensor:
    """0 for gray, towards 1 beyond a chroma of 25."""
    seventh = chroma**7
    return (seventh / (seventh + _CHROMA_KNEE)).sqrt()


def _polar(ab: Tensor, gain: Tensor) -> tuple[Tensor, Tensor]:
    """Chroma and hue in [0,360) degrees; the hue of a gray is 0."""
    a, b = ab[:, 0] * gain, ab[:, 1]
    return torch.hypot(a, b), torch.atan2(b, a).rad2deg().remainder(360)


def _shorter_way(degrees: Tensor) -> Tensor:
    return degrees - 360 * (degrees > 180).to(degrees) + 360 * (degrees < -180).to(degrees)


def _hue_factor(hue: Tensor) -> Tensor:
    """Waves over the circle: (amplitude, turns, phase in degrees)."""
    waves = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    return 1 + sum(
        (size * (turns * hue + phase).deg2rad().cos() for size, turns, phase in waves),
        start=torch.zeros_like(hue),
    )


def _closeness(lab: Tensor, true: Tensor) -> Tensor:
    """BHW: 1 for the true ab, falling straight to 0 at a distance of 150."""
    return (1 - (lab[:, 1:] - true[:, 1:]).norm(dim=1) / _REACH).clamp_min(0)


@functools.cache
def _weights() -> Tensor:
    prior = load_prior("imagenet-sample", 5, 5.0).double()
    weights = 1 / prior.clamp_min(prior[prior > 0].min())
    return weights / (prior * weights).sum()
