"""Targets that are moved to their predictions."""

from __future__ import annotations

import pytest
import torch
from crosschroma.losses.registration import best_shifted


def pictures(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 24, 30, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shifts", [[(0, 0), (2, -1), (-2, 2)]])
def test_each_image_is_moved_by_its_own_shift(shifts: list[tuple[int, int]]) -> None:
    target = pictures()
    moved = [x.roll(shift, (-2, -1)) for x, shift in zip(target, shifts, strict=True)]
    prediction, aligned = best_shifted(torch.stack(moved), target, 2)
    assert prediction.shape == aligned.shape == (3, 3, 20, 26)
    assert torch.equal(prediction, aligned)


def test_a_shift_beyond_the_radius_is_not_undone() -> None:
    target = pictures(1)
    prediction, aligned = best_shifted(target.roll(3, -1), target, 2)
    assert (prediction - aligned).abs().mean() > 0.1


def test_no_radius_changes_nothing() -> None:
    prediction, target = pictures(1), pictures(2)[1:]
    assert best_shifted(prediction, target, 0) == (prediction, target)


def test_gradients_reach_the_prediction_within_the_frame_only() -> None:
    prediction = pictures(1).requires_grad_()
    found, aligned = best_shifted(prediction, pictures(2)[1:], 1)
    (found - aligned).square().sum().backward()
    assert prediction.grad is not None
    assert prediction.grad[..., 1:-1, 1:-1].abs().min() > 0
    assert not prediction.grad[..., 0, :].any()
    assert not prediction.grad[..., :, -1].any()
