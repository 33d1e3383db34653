from __future__ import annotations

import math

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.losses.adversarial import discriminator_loss, generator_loss

REAL, FAKE = torch.full((2, 1, 3, 3), 0.5), torch.full((2, 1, 3, 3), -2.0)


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


@pytest.mark.parametrize(
    ("kind", "expected_d", "expected_g"),
    [
        ("bce", (softplus(-0.5) + softplus(-2.0)) / 2, softplus(2.0)),
        ("lsgan", (0.25 + 4.0) / 2, 9.0),
        ("hinge", (0.5 + 0.0) / 2, 2.0),
    ],
)
def test_by_hand(kind: str, expected_d: float, expected_g: float) -> None:
    assert discriminator_loss(kind, REAL, FAKE).item() == pytest.approx(expected_d)
    assert generator_loss(kind, FAKE).item() == pytest.approx(expected_g)


def test_unknown_kind() -> None:
    with pytest.raises(UserError, match="did you mean lsgan"):
        generator_loss("ls-gan", FAKE)
