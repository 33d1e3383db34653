"""A few colours to choose from, where a network says how likely each colour is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...datasets.base.color import lab_to_rgb, rgb_to_lab
from ...datasets.base.errors import UserError
from ..color.ab_bins import ab_bins
from .network import CLASSES, class_centres, nearest_class

_ROUNDS = 100  # of k-means, which ends long before


class Suggestion(NamedTuple):
    """A colour that a user may take as a hint.

    Attributes:
        a: CIE a of ``rgb``, b: CIE b.
        rgb: 8-bit sRGB of that colour at the pixel's luminance.
        share: of the samples that are nearest to it, in [0,1].
    """

    a: float
    b: float
    rgb: tuple[int, int, int]
    share: float


def suggest_colors(
    logits: Tensor,
    lightness: float,
    count: int = 5,
    temperature: float = 5.0,
    samples: int = 25_000,
    seed: int = 0,
) -> list[Suggestion]:
    """The centres of the groups that colours drawn from a pixel's distribution fall into.

    Colours outside sRGB at the given luminance lose chroma until they fit.

    Paper: Zhang et al. 2017, section 3.4 and the authors' user interface: k-means with K = 5 over
    25,000 samples from the distribution, softened by a temperature of 5.
    Differs: only the classes that some sRGB colour has can be drawn.

    Args:
        logits: of the 529 classes, at one pixel.
        lightness: L*/100 of the pixel.
        count: K; fewer come back where fewer colours are drawn.
        temperature: divides the logits; below 1 only the likeliest colours are left.
        samples: how many colours are drawn.
        seed: of the samples and of k-means.

    Returns:
        The suggestions, the largest group first.

    Raises:
        UserError: another number of logits, or a setting out of range.
    """
    if logits.shape != (CLASSES,):
        raise UserError(f"suggestions: {tuple(logits.shape)} logits; one pixel has {CLASSES}")
    if count < 1 or samples < 1 or temperature <= 0:
        raise UserError(
            f"suggestions: count {count}, samples {samples} and temperature {temperature} must be "
            "positive"
        )
    known = nearest_class(ab_bins().T[None, :, :, None]).flatten()
    chances = torch.softmax(logits.detach().cpu().double()[known] / temperature, dim=0).numpy()
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(samples, chances / chances.sum())
    colors = class_centres()[known].double().numpy()[counts > 0]
    centres, weights = weighted_k_means(colors, counts[counts > 0].astype(float), count, rng)
    order = np.argsort(-weights, kind="stable")
    return [_suggestion(centres[i], float(weights[i]) / samples, lightness) for i in order]


def weighted_k_means(
    points: np.ndarray, weights: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Lloyd's algorithm from k-means++ seeds, over points that each stand for several.

    Args:
        points: N x D, all different.
        weights: N, positive: how many each stands for.
        count: K; with fewer points every one is a centre.
        rng: draws the seeds.

    Returns:
        Centres, K x D, and the weight of each one's points, K. A group that loses its last point
        is left out.
    """
    if len(points) <= count:
        return points.copy(), weights.copy()
    centres, totals = _seeds(points, weights, count, rng), np.empty(0)
    for _ in range(_ROUNDS):
        member = _squared(points, centres).argmin(1)[:, None] == np.arange(len(centres))
        sums = member[:, member.any(0)].T * weights
        before, totals = centres, sums.sum(1)
        centres = sums @ points / totals[:, None]
        if centres.shape == before.shape and np.allclose(centres, before):
            break
    return centres, totals


def _seeds(
    points: np.ndarray, weights: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """k-means++: each next centre is drawn by its squared distance to the nearest so far."""
    chosen = [rng.choice(len(points), p=weights / weights.sum())]
    for _ in range(count - 1):
        far = weights * _squared(points, points[chosen]).min(1)
        chosen.append(rng.choice(len(points), p=far / far.sum()))
    return points[chosen]


def _squared(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.square(points[:, None] - centres[None]).sum(-1)


def _suggestion(ab: np.ndarray, share: float, lightness: float) -> Suggestion:
    lab = torch.tensor([100 * lightness, *ab], dtype=torch.float32).view(1, 3, 1, 1)
    levels = (255 * lab_to_rgb(lab, gamut="chroma")).round()
    _, a, b = rgb_to_lab(levels / 255).flatten().tolist()
    red, green, blue = (int(level) for level in levels.flatten())
    return Suggestion(a, b, (red, green, blue), share)
