"""Priors of the ab bins: their files, and how counts become frequencies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.models.color.ab_bins import ab_bins
from crosschroma.models.color.ab_prior import AbPrior, load_prior, shipped_priors

BINS = ab_bins()


def bin_at(a: int, b: int) -> int:
    return int((torch.tensor([a, b]) == BINS).all(1).nonzero())


def counted(**counts: int) -> AbPrior:
    """A prior of pixels in bins named ``a_b`` (m for minus)."""
    found = [0] * len(BINS)
    for name, count in counts.items():
        a, b = (int(word.replace("m", "-")) for word in name[1:].split("_"))
        found[bin_at(a, b)] = count
    return AbPrior(data="made up", images=1, counts=tuple(found))


@pytest.mark.parametrize("name", shipped_priors())
def test_shipped_priors_are_distributions(name: str) -> None:
    prior = load_prior(name, 5, 5.0)
    assert prior.shape == (313,)
    assert prior.dtype == torch.float32
    assert prior.min() >= 0
    assert prior.sum().item() == pytest.approx(1)


def test_photographs_are_mostly_gray() -> None:
    prior = load_prior("imagenet-sample", 5, 5.0)
    assert prior.argmax() == bin_at(0, 0)
    assert prior[BINS.abs().amax(1) <= 20].sum() > 0.7


def test_format_is_that_of_the_published_prior(shared_data: Path) -> None:
    """The order of its bins is another one, so the frequencies are compared by rank alone."""
    published = np.load(shared_data / "color_constants" / "prior_probs.npy")
    ours = load_prior("imagenet-sample", 5, 5.0).numpy()
    assert published.shape == ours.shape
    assert published.sum() == pytest.approx(ours.sum())
    assert np.abs(np.sort(published) - np.sort(ours)).sum() / 2 < 0.25


def test_smoothing_shares_counts_as_colours_are_shared() -> None:
    prior = counted(n0_0=300, n50_50=100).smoothed(5, 5.0)
    beside = np.exp(-2)
    assert prior[bin_at(0, 0)].item() == pytest.approx(0.75 / (1 + 4 * beside))
    assert prior[bin_at(0, 10)].item() == pytest.approx(0.75 * beside / (1 + 4 * beside))
    assert prior[bin_at(50, 50)].item() == pytest.approx(0.25 / (1 + 4 * beside))
    assert (prior > 0).sum() == 10


def test_one_neighbour_leaves_counts_as_they_are() -> None:
    prior = counted(n0_0=3, nm20_30=1).smoothed(1, 5.0)
    assert prior[bin_at(0, 0)] == 0.75
    assert prior[bin_at(-20, 30)] == 0.25


def test_file_round_trip(tmp_path: Path) -> None:
    prior = counted(n0_0=3, nm20_30=1)
    path = tmp_path / "prior.json"
    path.write_text(prior.to_json())
    assert torch.equal(load_prior(str(path), 5, 5.0), prior.smoothed(5, 5.0))


def test_unknown_priors_name_the_known_ones_and_the_command() -> None:
    with pytest.raises(UserError, match=r"uniform.*crosschroma data prior DATASET --out unifrom"):
        load_prior("unifrom", 5, 5.0)


GOOD = json.loads(counted(n0_0=1).to_json())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 2]",
        json.dumps({**GOOD, "format": "other"}),
        json.dumps({**GOOD, "counts": [1, 2]}),
        json.dumps({**GOOD, "counts": [0] * 313}),
        json.dumps({**GOOD, "counts": [-1] * 313}),
        json.dumps({**GOOD, "counts": None}),
        json.dumps({**GOOD, "more": 1}),
    ],
)
def test_files_that_hold_no_prior_are_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prior.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"prior\.json holds no prior.*crosschroma data prior"):
        load_prior(str(path), 5, 5.0)
