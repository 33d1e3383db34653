"""Histogram and saturation of a whole picture."""

from __future__ import annotations

import pytest
import torch
from crosschroma.datasets.base.color import lab_to_rgb, rgb_to_hsv
from crosschroma.models.color.ab_bins import ab_bins
from crosschroma.models.color.global_hints import GlobalHintsNetwork, drop_at_random, global_hints


def picture(*ab: tuple[float, float]) -> torch.Tensor:
    """1 x 3 x 8 x 8N, one 8 x 8 patch for each colour, L* 60."""
    lab = torch.tensor([[60.0, a, b] for a, b in ab]).T.reshape(1, 3, 1, len(ab), 1)
    return lab_to_rgb(lab.expand(1, 3, 8, len(ab), 8).reshape(1, 3, 8, -1))


def bin_at(a: int, b: int) -> int:
    return int((torch.tensor([a, b]) == ab_bins()).all(1).nonzero())


def test_histogram_has_the_share_of_each_nearest_bin() -> None:
    given = global_hints(picture((0, 0), (21, 38), (0, 0), (19, 42)))
    assert given.shape == (1, 316)
    shares = given[0, :313]
    assert shares[bin_at(0, 0)].item() == pytest.approx(0.5)
    assert shares[bin_at(20, 40)].item() == pytest.approx(0.5)
    assert shares.sum().item() == pytest.approx(1)


def test_colours_are_averaged_over_four_pixels() -> None:
    stripes = picture((0, 0), (40, 0))[..., :16].clone()
    stripes[..., ::2], stripes[..., 1::2] = picture((0, 0))[..., :1], picture((40, 0))[..., :1]
    assert global_hints(stripes)[0, bin_at(20, 0)].item() == pytest.approx(1)


def test_saturation_is_the_mean_of_hsv() -> None:
    rgb = torch.rand(2, 3, 8, 8)
    expected = rgb_to_hsv(rgb)[:, 1].mean((1, 2))
    torch.testing.assert_close(global_hints(rgb)[:, 314], expected)


def test_what_is_not_given_is_zero_and_says_so() -> None:
    rgb = torch.rand(1, 3, 8, 8)
    assert global_hints(rgb)[0, [313, 315]].tolist() == [1, 1]
    histogram = global_hints(rgb, saturation=False)[0]
    assert histogram[313:].tolist() == [1, 0, 0]
    saturation = global_hints(rgb, histogram=False)[0]
    assert saturation[:314].abs().sum() == 0
    assert saturation[315] == 1


def test_each_is_dropped_by_itself_together_with_its_indicator() -> None:
    torch.manual_seed(0)
    dropped = drop_at_random(torch.ones(2000, 316), 0.25)
    histogram, saturation = dropped[:, :314], dropped[:, 314:]
    assert torch.equal(histogram.amin(1), histogram.amax(1))
    assert torch.equal(saturation.amin(1), saturation.amax(1))
    assert histogram[:, 0].mean().item() == pytest.approx(0.75, abs=0.03)
    assert saturation[:, 0].mean().item() == pytest.approx(0.75, abs=0.03)
    both = histogram[:, 0] * saturation[:, 0]
    assert both.mean().item() == pytest.approx(0.75**2, abs=0.03)


def test_the_first_layer_sums_two_and_three_follow() -> None:
    network = GlobalHintsNetwork(512).eval()
    weights = {name: tuple(p.shape) for name, p in network.named_parameters() if p.dim() == 2}
    assert sorted(weights.values()) == [(512, 2), (512, 314), *[(512, 512)] * 3]
    assert network(torch.rand(2, 316)).shape == (2, 512, 1, 1)
