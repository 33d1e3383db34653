from __future__ import annotations

import math

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.metrics.image import ssim7
from crosschroma.losses.structural import (
    angular_loss,
    chord_loss,
    ms_ssim_loss,
    ssim_loss,
    total_variation,
)
from pytorch_msssim import ms_ssim


def images(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, side // 8, side // 8, generator=generator)
    true = torch.nn.functional.interpolate(coarse, side, mode="bilinear")
    return (true + 0.1 * torch.randn(true.shape, generator=generator)).clamp(0, 1), true


def test_ms_ssim_is_the_standard_one() -> None:
    found, true = images(256)
    wanted = 1 - ms_ssim(found, true, data_range=1.0)
    assert 0.02 < wanted < 0.9
    torch.testing.assert_close(ms_ssim_loss(found, true), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("side", [128, 64, 16])
def test_ms_ssim_of_small_images_uses_the_scales_that_fit(side: int) -> None:
    found, true = images(side)
    loss = ms_ssim_loss(found.requires_grad_(), true)
    loss.backward()
    assert 0 < loss < 1
    assert found.grad is not None
    assert found.grad.isfinite().all()
    assert ms_ssim_loss(true, true).abs() < 1e-6


def test_ms_ssim_of_a_speck() -> None:
    with pytest.raises(UserError, match="more than 10 pixels, not 10"):
        ms_ssim_loss(torch.zeros(1, 3, 10, 40), torch.zeros(1, 3, 10, 40))


def test_ssim_is_the_metric() -> None:
    found, true = images(64)
    wanted = ssim7(found.double(), true.double())
    torch.testing.assert_close(
        1 - ssim_loss(found, true).double(), wanted.mean(), rtol=1e-5, atol=0
    )


def test_angle() -> None:
    red, green = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    red[:, 0], green[:, 1] = 0.5, 1.0
    assert angular_loss(red, green).item() == pytest.approx(1)
    assert angular_loss(red, 2 * red).item() == pytest.approx(0)
    assert angular_loss(red, red + 0.5 * green).item() == pytest.approx(1 - math.sqrt(0.5))
    valid = torch.zeros(1, 1, 2, 2)
    assert angular_loss(red, green, valid) == 0
    valid[..., 0, 0] = 1
    half = torch.where(valid.bool(), red, green)
    assert angular_loss(red, half, valid).item() == pytest.approx(0)


def test_chord_is_nearly_the_angle() -> None:
    """5 degrees, whatever the lengths; equal colours have no gradient that is not finite."""
    angle = math.radians(5)
    red = torch.tensor([0.5, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2).clone()
    turned = torch.tensor([0.8 * math.cos(angle), 0.8 * math.sin(angle), 0.0]).view(1, 3, 1, 1)
    turned = turned.expand(1, 3, 2, 2)
    assert chord_loss(red, turned).item() == pytest.approx(angle, rel=1e-2)
    valid = torch.zeros(1, 1, 2, 2)
    assert chord_loss(red, turned, valid) == 0
    red.requires_grad_()
    same = chord_loss(red, 1.5 * red.detach())
    assert same.item() == pytest.approx(0.01)
    same.backward()
    assert red.grad is not None
    assert red.grad.abs().max() < 1e-3


def test_black_has_finite_gradients() -> None:
    black = torch.zeros(1, 3, 16, 16, requires_grad=True)
    target = torch.rand(1, 3, 16, 16)
    (
        angular_loss(black, target)
        + chord_loss(black, target)
        + ssim_loss(black, target)
        + ms_ssim_loss(black, target)
    ).backward()
    assert black.grad is not None
    assert black.grad.isfinite().all()


def test_total_variation_by_hand() -> None:
    image = torch.tensor([[0.0, 1.0, 3.0], [0.0, 0.0, 1.0]]).expand(2, 3, 2, 3)
    rows, columns = (1 + 2 + 0 + 1) / 4, (0 + 1 + 2) / 3
    assert total_variation(image).item() == pytest.approx(rows + columns)
    assert total_variation(image[..., :1, :]).item() == pytest.approx(1.5)
    assert total_variation(torch.full((1, 3, 4, 4), 0.7)) == 0
