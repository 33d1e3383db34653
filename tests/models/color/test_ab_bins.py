"""The 313 bins, colours as shares of them, and colours from distributions over them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.color import lab_from_uint8
from crosschroma.datasets.base.errors import UserError
from crosschroma.models.color.ab_bins import ab_bins, annealed_mean, nearest_bins, soft_encode

BINS = ab_bins()


def colors(*pairs: tuple[float, float]) -> torch.Tensor:
    """1 x 2 x 1 x N, ab units."""
    return torch.tensor(pairs).T.reshape(1, 2, 1, -1)


def densify(numbers: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """BQHW: the distribution over all bins."""
    batch, _, height, width = numbers.shape
    return torch.zeros(batch, len(BINS), height, width).scatter(1, numbers, shares)


def sample_of_srgb() -> np.ndarray:
    """N x 2 ab of every fifth level of each channel."""
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1)
    return lab_from_uint8(cube.reshape(1, -1, 3))[0, :, 1:]


def test_bins_are_the_published_ones(shared_data: Path) -> None:
    published = np.load(shared_data / "color_constants" / "pts_in_hull.npy")
    assert np.array_equal(BINS.numpy(), published)


def test_bins_need_no_file() -> None:
    pairs = BINS.numpy().astype("<i8").tobytes()
    assert hashlib.sha256(pairs).hexdigest().startswith("2a39983ed60d5b52")


def test_nearest_bins_are_the_nearest_of_all() -> None:
    ab = sample_of_srgb()[::37]
    distances = np.square(ab[:, None] - BINS.numpy()).sum(-1)
    found = np.take_along_axis(distances, nearest_bins(ab)[:, None], 1)[:, 0]
    np.testing.assert_allclose(found, distances.min(1), atol=1e-3)


def test_every_colour_of_srgb_has_a_bin_and_others_have_not() -> None:
    assert nearest_bins(sample_of_srgb()).max() < len(BINS)
    for outside in ((-90.0, -90.0), (0.0, 400.0)):
        with pytest.raises(UserError, match="outside sRGB"):
            nearest_bins(np.array([outside]))


@pytest.mark.parametrize("neighbours", [1, 5, 10])
def test_shares_sum_to_one_and_the_nearest_comes_first(neighbours: int) -> None:
    ab = torch.from_numpy(sample_of_srgb()[::501].copy()).T[None, :, None]
    numbers, shares = soft_encode(ab, BINS, neighbours, 5.0)
    assert numbers.shape == shares.shape == (1, neighbours, 1, ab.shape[-1])
    torch.testing.assert_close(shares.sum(1), torch.ones(1, 1, ab.shape[-1]))
    assert (shares.diff(dim=1) <= 0).all()
    assert torch.equal(numbers[0, 0, 0], torch.from_numpy(nearest_bins(ab[0, :, 0].T.numpy())))


def test_shares_by_hand() -> None:
    """(0, 5) is 5 from (0, 0) and (0, 10): the Gaussian of sigma 5 is equal; 125 of (10, 0)."""
    numbers, shares = soft_encode(colors((0, 5)), BINS, 3, 5.0)
    near, far = np.exp(-25 / 50), np.exp(-125 / 50)
    expected = np.array([near, near, far]) / (2 * near + far)
    np.testing.assert_allclose(shares.flatten(), expected, rtol=1e-5)
    assert {tuple(BINS[n].tolist()) for n in numbers.flatten()[:2]} == {(0, 0), (0, 10)}


def test_small_sigma_encodes_a_centre_as_itself() -> None:
    centres = BINS.T[None, :, None]
    mean = annealed_mean(densify(*soft_encode(centres, BINS, 5, 0.5)).log(), BINS, 1.0)
    torch.testing.assert_close(mean, centres)


def test_mean_decoding_returns_the_colour() -> None:
    """Within 2 ab units between four bins; the Gaussian is no exact interpolation."""
    axis = torch.arange(-20.0, 20, 2.5)
    ab = torch.stack(torch.meshgrid(axis, axis, indexing="ij"))[None]
    mean = annealed_mean(densify(*soft_encode(ab, BINS, 10, 5.0)).log(), BINS, 1.0)
    assert (mean - ab).abs().max() < 2


def test_annealed_mean_runs_from_the_mode_to_the_mean() -> None:
    torch.manual_seed(0)
    logits = 3 * torch.randn(2, len(BINS), 3, 4)
    mode = BINS[logits.argmax(1)].permute(0, 3, 1, 2)
    mean = torch.einsum("bqhw,qc->bchw", logits.softmax(1), BINS)
    assert torch.equal(annealed_mean(logits, BINS, 0), mode)
    torch.testing.assert_close(annealed_mean(logits, BINS, 1e-4), mode)
    torch.testing.assert_close(annealed_mean(logits, BINS, 1.0), mean, atol=1e-3, rtol=1e-5)
    between = annealed_mean(logits, BINS, 0.38)
    expected = torch.einsum("bqhw,qc->bchw", logits.softmax(1) ** (1 / 0.38), BINS)
    expected /= (logits.softmax(1) ** (1 / 0.38)).sum(1, keepdim=True)
    torch.testing.assert_close(between, expected, atol=1e-3, rtol=1e-5)


def test_a_mean_is_a_colour_between_the_bins_under_autocast_too() -> None:
    logits = torch.zeros(1, len(BINS), 1, 1)
    exact = BINS.mean(0)
    with torch.autocast("cpu", torch.bfloat16):
        found = annealed_mean(logits, BINS, 0.38).flatten()
    torch.testing.assert_close(found, exact, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("neighbours", "sigma"), [(0, 5.0), (314, 5.0), (5, 0.0)])
def test_impossible_encodings_are_named(neighbours: int, sigma: float) -> None:
    with pytest.raises(UserError, match="5 is usual"):
        soft_encode(colors((0, 0)), BINS, neighbours, sigma)


def test_negative_temperature_is_named() -> None:
    with pytest.raises(UserError, match=r"0\.38 is usual"):
        annealed_mean(torch.zeros(1, 313, 1, 1), BINS, -1.0)
