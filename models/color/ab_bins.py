"""Colour as a choice among 313 bins of the ab plane: the bins, the way in and the way back."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from ...datasets.base.color import rgb_to_lab
from ...datasets.base.errors import UserError

BINS = 313
GRID = 10  # distance of neighbouring bin centres, ab units
_REACH = 110  # the grid runs from -110 to 110
_EDGE_SAMPLES = 33  # of each edge of the RGB cube; 5 give the same bins


@cache
def _centres() -> np.ndarray:
    axis = np.arange(-_REACH, _REACH + 1, GRID)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    corners = np.array([(-GRID, -GRID), (-GRID, GRID), (GRID, -GRID), (GRID, GRID)])
    # the corners of squares about the gamut's outline: a grid point within their convex hull is
    # one whose own square meets the convex hull of the gamut
    outline = (_gamut_outline()[:, None] + corners).reshape(-1, 2)
    return points[_strictly_inside(points, outline)]


def ab_bins() -> Tensor:
    """Centres of the 313 bins: 313 x 2 float32 on the CPU, ab units, by a and then by b.

    A point of the 10-grid on -110..110 is a bin when the open square of half-size 10 about it meets
    the convex hull of all sRGB colours in the ab plane (Lab, D65). The hull's distances from kept
    and left-out points are 9.73 at most and 10.08 at least, so rounding cannot change the set.

    Paper: Zhang et al. 2016, section 2.1, says how many bins there are and not by which rule; this
    one gives the set that its authors publish, bin for bin.
    """
    return torch.from_numpy(_centres()).float()


def nearest_bins(ab: np.ndarray) -> np.ndarray:
    """Number of the bin that is nearest to each colour of sRGB.

    Args:
        ab: ... x 2, ab units. Rounding to the grid is enough: every sRGB colour has all four grid
            points about it among the bins.

    Returns:
        int64 of shape ..., in 0..312.

    Raises:
        UserError: a colour whose nearest grid point is no bin, which sRGB does not have.
    """
    cells = np.rint(ab / GRID).astype(np.int64) + _REACH // GRID
    side = 2 * _REACH // GRID + 1
    table = np.full((side, side), -1)
    rows, columns = (_centres().T + _REACH) // GRID
    table[rows, columns] = np.arange(BINS)
    inside = ((cells >= 0) & (cells < side)).all(-1)
    bins = np.where(inside, table[tuple(np.moveaxis(cells.clip(0, side - 1), -1, 0))], -1)
    if (bins < 0).any():
        raise UserError(f"ab {ab[bins < 0][0].tolist()} is far outside sRGB and has no bin")
    return bins


def soft_encode(ab: Tensor, bins: Tensor, neighbours: int, sigma: float) -> tuple[Tensor, Tensor]:
    """Each colour as shares of its nearest bins, by a Gaussian of the distance.

    Paper: Zhang et al. 2016, section 2.2 (5 neighbours, sigma 5).

    Args:
        ab: B2HW, ab units.
        bins: Q x 2 centres, ab units.
        neighbours: K, how many bins share a colour.
        sigma: of the Gaussian, ab units.

    Returns:
        Numbers of the bins, BKHW int64, the nearest first; and their shares, BKHW float32, which
        sum to 1 over K.

    Raises:
        UserError: ``neighbours`` outside 1..Q, or ``sigma`` not positive.
    """
    if not 1 <= neighbours <= len(bins):
        raise UserError(f"neighbours {neighbours}: must be between 1 and {len(bins)}; 5 is usual")
    if sigma <= 0:
        raise UserError(f"sigma {sigma}: must be positive; 5 is usual")
    a, b = ab.float().permute(1, 0, 2, 3).unsqueeze(-1)
    # written out: the matrix product that cdist takes for many points is off by some tenths
    squared = (a - bins[:, 0]).square() + (b - bins[:, 1]).square()
    nearest, numbers = squared.topk(neighbours, dim=-1, largest=False)
    # softmax is the normalised Gaussian, also where all its values underflow
    shares = torch.softmax(-nearest / (2 * sigma**2), dim=-1)
    return numbers.permute(0, 3, 1, 2), shares.permute(0, 3, 1, 2)


def annealed_mean(logits: Tensor, bins: Tensor, temperature: float) -> Tensor:
    """One colour from a distribution over bins: the mean after sharpening it.

    Paper: Zhang et al. 2016, section 2.3: f_T(z) = softmax(log z / T). T = 1 is the mean, whose
    colours are dull; T -> 0 the mode, whose colours jump from place to place.

    Args:
        logits: BQHW; log z up to a constant.
        bins: Q x 2 centres, ab units.
        temperature: T; 0 takes the mode itself.

    Returns:
        B2HW float32, ab units.

    Raises:
        UserError: negative ``temperature``.
    """
    if temperature < 0:
        raise UserError(f"temperature {temperature}: must be 0 (mode) to 1 (mean); 0.38 is usual")
    if temperature == 0:
        return bins[logits.argmax(1)].permute(0, 3, 1, 2)
    shares = torch.softmax(logits.float() / temperature, dim=1)
    # written out: a matrix product would run in bfloat16 under autocast, half an ab unit off
    return torch.stack([(shares * axis.view(1, -1, 1, 1)).sum(1) for axis in bins.T], dim=1)


def _gamut_outline() -> np.ndarray:
    """N x 2 float64: ab of the 12 edges of the RGB cube, whose hull is that of all sRGB colours."""
    edges = []
    along = np.linspace(0, 1, _EDGE_SAMPLES)
    for axis in range(3):
        for corner in np.ndindex(2, 2):
            others = [np.full_like(along, level) for level in corner]
            edges.append(np.stack([*others[:axis], along, *others[axis:]]))
    rgb = torch.from_numpy(np.concatenate(edges, axis=1)).unsqueeze(-1)
    return rgb_to_lab(rgb)[1:, :, 0].T.numpy()


def _strictly_inside(points: np.ndarray, cloud: np.ndarray) -> np.ndarray:
    """Which of P x 2 ``points`` lie within the convex hull of N x 2 ``cloud``: P, bool.

    Seen from a point within, no half-plane is empty: the directions to the cloud leave no gap of
    180 degrees.
    """
    away = cloud[None] - points[:, None]
    angles = np.sort(np.arctan2(away[..., 1], away[..., 0]), axis=1)
    gaps = np.diff(angles, axis=1, append=angles[:, :1] + 2 * np.pi)
    return gaps.max(1) < np.pi - 1e-9
