from __future__ import annotations

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.losses.pixel import pixel_loss

PREDICTION = torch.tensor([0.0, 0.5, 2.0, -1.0]).view(1, 1, 2, 2)
TARGET = torch.zeros(1, 1, 2, 2)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("l1", 3.5 / 4),
        ("mse", (0.25 + 4 + 1) / 4),
        ("huber", (0.125 + 1.5 + 0.5) / 4),
    ],
)
def test_by_hand(kind: str, expected: float) -> None:
    assert pixel_loss(kind, PREDICTION, TARGET).item() == pytest.approx(expected)


def test_mask_leaves_pixels_out() -> None:
    valid = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 2, 2)
    assert pixel_loss("l1", PREDICTION, TARGET, valid).item() == pytest.approx(0.25)
    assert pixel_loss("l1", PREDICTION, TARGET, torch.zeros_like(valid)).item() == 0


def test_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean huber"):
        pixel_loss("hubber", PREDICTION, TARGET)
