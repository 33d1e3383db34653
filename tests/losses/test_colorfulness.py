"""Colourfulness as a loss."""

from __future__ import annotations

import pytest
import torch
from crosschroma.experiments.metrics import color as color_metrics
from crosschroma.losses.colorfulness import colorfulness_loss, hasler_susstrunk

# two pixels: red-ish (rg = 51, yb = 0.5 * 153 - 0), blue-ish
RGB = torch.tensor([[[0.4, 0.2], [0.2, 0.2], [0.0, 0.6]]]).view(1, 3, 1, 2)


def by_hand(absolute: bool) -> float:
    rg, yb = [51.0, 0.0], [76.5, -102.0]
    if absolute:
        yb = [76.5, 102.0]
    mean = [sum(rg) / 2, sum(yb) / 2]
    var = [((x[0] - x[1]) / 2) ** 2 for x in (rg, yb)]
    return sum(var) ** 0.5 + 0.3 * (mean[0] ** 2 + mean[1] ** 2) ** 0.5


@pytest.mark.parametrize("absolute", [False, True])
def test_the_formula_by_hand(absolute: bool) -> None:
    assert hasler_susstrunk(RGB.double(), absolute).item() == pytest.approx(by_hand(absolute))


def test_the_loss_is_one_less_the_published_metric_in_hundreds() -> None:
    assert colorfulness_loss(RGB).item() == pytest.approx(1 - by_hand(True) / 100, abs=1e-4)
    images = torch.rand(3, 3, 8, 9, generator=torch.Generator().manual_seed(0))
    metric = color_metrics.colorfulness_abs(images.double()).mean().item()
    assert colorfulness_loss(images).item() == pytest.approx(1 - metric / 100, abs=1e-4)
    # the mean: an image's share does not depend on how many others there are
    assert colorfulness_loss(images.repeat(2, 1, 1, 1)).item() == pytest.approx(
        colorfulness_loss(images).item(), abs=1e-6
    )


def test_following_the_gradient_adds_colour() -> None:
    images = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    images.requires_grad_()
    colorfulness_loss(images).backward()
    assert images.grad is not None
    more = images.detach() - 10 * images.grad
    assert (hasler_susstrunk(more, True) > hasler_susstrunk(images.detach(), True)).all()


def test_gray_images_have_a_finite_gradient_and_the_loss_one() -> None:
    gray = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    loss = colorfulness_loss(gray)
    loss.backward()
    assert loss.item() == pytest.approx(1, abs=2e-3)
    assert gray.grad is not None
    assert gray.grad.isfinite().all()
