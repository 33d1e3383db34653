"""How often each of the 313 ab bins occurs: counted from images, kept in files, smoothed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...datasets.base.bounds import Natural
from ...datasets.base.errors import DataError, UserError
from ...datasets.base.json_file import read_json
from .ab_bins import BINS, ab_bins, soft_encode

UNIFORM = "uniform"
_SHIPPED = Path(__file__).parent / "priors"
_FORMAT = "crosschroma ab prior 1"


@dataclass(frozen=True, kw_only=True)
class AbPrior:
    """What was counted, and from what.

    Attributes:
        data: the images, as results rows name them.
        images: how many they are.
        counts: pixels nearest to each of the 313 bins of ``ab_bins``.
    """

    data: str
    images: int
    counts: tuple[int, ...]

    def to_json(self) -> str:
        """The text of a prior's file."""
        return json.dumps({"format": _FORMAT, **asdict(self)}) + "\n"

    def smoothed(self, neighbours: int, sigma: float) -> Tensor:
        """Frequencies, 313 float32 that sum to 1, every count shared out as a target's colour is.

        Paper: Zhang et al. 2016, section 2.2, smooths with a Gaussian of sigma 5 ab units.
        Differs: the pixels of a bin are taken to lie at its centre.
        """
        bins = ab_bins()
        numbers, shares = soft_encode(bins.T[None, :, :, None], bins, neighbours, sigma)
        counts = torch.from_numpy(np.array(self.counts, np.float64))
        spread = shares[0, :, :, 0].double() * counts
        total = torch.from_numpy(np.zeros(BINS)).index_add(0, numbers.flatten(), spread.flatten())
        return (total / total.sum()).float()


@dataclass(frozen=True, kw_only=True)
class _PriorFile:
    format: str
    data: str
    images: Natural
    counts: tuple[Natural, ...]


def shipped_priors() -> list[str]:
    """Names of the priors that need no file."""
    return sorted([UNIFORM, *(path.stem for path in _SHIPPED.glob("*.json"))])


def load_prior(name: str, neighbours: int, sigma: float) -> Tensor:
    """The frequencies of the bins: 313 float32 on the CPU that sum to 1.

    Args:
        name: ``uniform``; the name of a shipped prior; or a file of ``crosschroma data prior``.
        neighbours: see ``ab_bins.soft_encode``.
        sigma: see there.

    Raises:
        UserError: no such prior, or a file that holds none.
    """
    if name == UNIFORM:
        return torch.from_numpy(np.full(BINS, 1 / BINS, np.float32))
    path = _SHIPPED / f"{name}.json" if name in shipped_priors() else Path(name)
    if not path.is_file():
        raise UserError(
            f"no prior '{name}' (known: {', '.join(shipped_priors())}) and no such file; "
            f"`crosschroma data prior DATASET --out {path}` makes one"
        )
    try:
        return _read(path).smoothed(neighbours, sigma)
    except (DataError, ValueError) as error:
        raise UserError(
            f"{path} holds no prior of {BINS} bins: {error}; `crosschroma data prior DATASET --out "
            "FILE` makes one"
        ) from error


def _read(path: Path) -> AbPrior:
    data: _PriorFile = read_json(path, _PriorFile, "prior")
    if data.format != _FORMAT:
        raise ValueError(f"its format is not '{_FORMAT}'")
    prior = AbPrior(data=data.data, images=data.images, counts=data.counts)
    counts = np.asarray(prior.counts, np.float64)
    if counts.shape != (BINS,):
        raise ValueError(f"the shape of its counts is {counts.shape}")
    if not np.isfinite(counts).all() or counts.min() < 0 or counts.sum() == 0:
        raise ValueError("a count is negative or not finite, or all are 0")
    return prior
