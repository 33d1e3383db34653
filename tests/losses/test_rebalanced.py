from __future__ import annotations

import math

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.losses.rebalanced import rebalancing_weights, soft_cross_entropy

# two pixels, three bins; each target shares two bins
LOGITS = torch.tensor([[0.0, 0.0], [math.log(2), 0.0], [0.0, math.log(3)]]).view(1, 3, 1, 2)
NUMBERS = torch.tensor([[1, 2], [0, 0]]).view(1, 2, 1, 2)
SHARES = torch.tensor([[0.75, 0.6], [0.25, 0.4]]).view(1, 2, 1, 2)
# softmax: (1, 2, 1)/4 and (1, 1, 3)/5
FIRST = -(0.75 * math.log(2 / 4) + 0.25 * math.log(1 / 4))
SECOND = -(0.6 * math.log(3 / 5) + 0.4 * math.log(1 / 5))


def test_weights_by_hand() -> None:
    """p = (.6, .3, .1), lambda = .5: mixed (.4667, .3167, .2167)."""
    prior = torch.tensor([0.6, 0.3, 0.1])
    mixed = [0.5 * p + 0.5 / 3 for p in (0.6, 0.3, 0.1)]
    scale = sum(p / m for p, m in zip((0.6, 0.3, 0.1), mixed, strict=True))
    expected = [1 / m / scale for m in mixed]
    torch.testing.assert_close(rebalancing_weights(prior, 0.5), torch.tensor(expected))


@pytest.mark.parametrize("uniform", [0.0, 0.3, 0.5, 1.0])
def test_weights_average_to_one_under_the_prior(uniform: float) -> None:
    prior = torch.rand(313, generator=torch.Generator().manual_seed(0)) ** 4
    prior /= prior.sum()
    weights = rebalancing_weights(prior, uniform)
    assert (prior * weights).sum().item() == pytest.approx(1, abs=1e-5)
    assert (weights[prior.argsort()].diff() <= 1e-6).all()  # the rarer, the heavier


def test_uniform_share_of_one_and_a_uniform_prior_weight_all_alike() -> None:
    assert torch.allclose(rebalancing_weights(torch.tensor([0.9, 0.1]), 1.0), torch.ones(2))
    assert torch.allclose(rebalancing_weights(torch.full((4,), 0.25), 0.5), torch.ones(4))


def test_bins_that_do_not_occur_weigh_as_infinitely_rare_ones() -> None:
    weights = rebalancing_weights(torch.tensor([0.5, 0.5, 0.0]), 0.5)
    torch.testing.assert_close(weights, torch.tensor([1.0, 1.0, 2.0]))
    with pytest.raises(UserError, match=r"0\.5 is usual"):
        rebalancing_weights(torch.tensor([0.5, 0.5, 0.0]), 0.0)


@pytest.mark.parametrize("uniform", [-0.1, 1.1])
def test_impossible_shares_are_named(uniform: float) -> None:
    with pytest.raises(UserError, match=r"0\.5 is usual"):
        rebalancing_weights(torch.tensor([0.5, 0.5]), uniform)


def test_cross_entropy_by_hand() -> None:
    found = soft_cross_entropy(LOGITS, NUMBERS, SHARES)
    assert found.item() == pytest.approx((FIRST + SECOND) / 2, rel=1e-5)


def test_a_pixel_weighs_as_the_bin_nearest_to_it() -> None:
    weights = torch.tensor([100.0, 0.5, 3.0])
    found = soft_cross_entropy(LOGITS, NUMBERS, SHARES, weights=weights)
    assert found.item() == pytest.approx((0.5 * FIRST + 3 * SECOND) / 2, rel=1e-5)


def test_mask_leaves_pixels_out() -> None:
    valid = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    found = soft_cross_entropy(LOGITS, NUMBERS, SHARES, valid)
    assert found.item() == pytest.approx(SECOND, rel=1e-5)
    assert soft_cross_entropy(LOGITS, NUMBERS, SHARES, torch.zeros_like(valid)).item() == 0


def test_the_gradient_is_the_weighted_difference_of_distributions() -> None:
    logits = LOGITS.clone().requires_grad_()
    soft_cross_entropy(logits, NUMBERS, SHARES, weights=torch.tensor([1.0, 2.0, 4.0])).backward()
    assert logits.grad is not None
    target = torch.zeros_like(LOGITS).scatter(1, NUMBERS, SHARES)
    expected = torch.tensor([2.0, 4.0]) * (LOGITS.softmax(1) - target) / 2
    torch.testing.assert_close(logits.grad, expected)
