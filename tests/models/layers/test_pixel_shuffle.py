"""Upsampling by PixelShuffle."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from crosschroma.models.layers.pixel_shuffle import PixelShuffleUp, icnr_


@pytest.mark.parametrize("scale", [2, 4])
def test_icnr_begins_as_repeated_pixels(scale: int) -> None:
    torch.manual_seed(0)
    weight = icnr_(torch.empty(3 * scale**2, 5, 1, 1), scale)
    shuffled = F.pixel_shuffle(F.conv2d(torch.randn(2, 5, 4, 6), weight), scale)
    nearest = shuffled[..., ::scale, ::scale]
    assert torch.equal(shuffled, F.interpolate(nearest, scale_factor=scale, mode="nearest"))
    assert nearest.std() > 0.5


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_begins_without_a_checkerboard(spectral: bool, batch_norm: bool) -> None:
    """A flat map stays flat, whatever the normalisation."""
    torch.manual_seed(0)
    up = PixelShuffleUp(5, 3, 4, batch_norm=batch_norm, spectral=spectral).eval()
    flat = up(torch.randn(1, 5, 1, 1).expand(1, 5, 3, 2))
    assert flat.shape == (1, 3, 12, 8)
    assert (flat.amax((2, 3)) - flat.amin((2, 3))).max() < 1e-6
    assert flat.max() > 0


def test_the_mean_is_over_a_pixel_and_those_above_and_left_of_it() -> None:
    up = PixelShuffleUp(1, 1, 2)
    plain = PixelShuffleUp(1, 1, 2, blur=False)
    plain.load_state_dict(up.state_dict())
    with torch.no_grad():
        up.conv.weight.fill_(1)
        plain.conv.weight.fill_(1)
    given = torch.rand(1, 1, 2, 3)
    sharp, smooth = plain(given)[0, 0].detach(), up(given)[0, 0].detach()
    assert torch.equal(sharp[::2, ::2], given[0, 0])
    assert smooth[2, 2].item() == pytest.approx(sharp[1:3, 1:3].mean().item())
    assert smooth[0, 0].item() == pytest.approx(sharp[0, 0].item())
    assert smooth[0, 4].item() == pytest.approx(sharp[0, 3:5].mean().item())


def test_the_spectral_norm_of_the_kernels_is_one() -> None:
    torch.manual_seed(0)
    up = PixelShuffleUp(6, 4, 2, spectral=True)
    for _ in range(30):
        up(torch.rand(1, 6, 2, 2))
    assert torch.linalg.matrix_norm(up.conv.weight.flatten(1), 2).item() == pytest.approx(1, 1e-4)
