from __future__ import annotations

import colorsys
import math

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.color import rgb_to_hsv
from crosschroma.losses.hsv import STRETCH_FLOOR, circular_hsv, stretched, stretched_hsv
from torch import Tensor

# but for red and black, no hue or saturation is near a boundary between two levels
PIXELS = [(255, 0, 0), (13, 201, 88), (97, 31, 250), (0, 0, 0), (200, 41, 48), (180, 179, 90)]


def one_pixel(*rgb: float) -> Tensor:
    return torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1)


def image_of(pixels: list[tuple[int, int, int]]) -> Tensor:
    """8-bit pixels as one row, 13HW in [0,1]."""
    return torch.tensor(pixels).float().T.view(1, 3, 1, -1) / 255


@pytest.mark.parametrize(
    ("rgb", "wanted"),
    [
        ((1, 0, 0), (1, 0, 1)),
        ((0, 1, 0), (-0.5, math.sqrt(0.75), 1)),
        ((0, 0, 1), (-0.5, -math.sqrt(0.75), 1)),
        ((0, 0.5, 0.5), (-1, 0, 0.5)),
        ((0.8, 0.4, 0.4), (0.5, 0, 0.8)),
        ((0.3, 0.3, 0.3), (0, 0, 0.3)),
        ((1, 1, 1), (0, 0, 1)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_circular_hsv_of_plain_colours(rgb: tuple, wanted: tuple) -> None:
    assert circular_hsv(one_pixel(*rgb)).flatten().tolist() == pytest.approx(wanted, abs=1e-12)


def test_circular_hsv_is_colorsys_on_a_circle() -> None:
    rgb = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = circular_hsv(rgb).permute(0, 2, 3, 1).reshape(-1, 3)
    for planes, pixel in zip(found.tolist(), rgb.permute(0, 2, 3, 1).reshape(-1, 3), strict=True):
        h, s, v = colorsys.rgb_to_hsv(*pixel.tolist())
        wanted = s * math.cos(2 * math.pi * h), s * math.sin(2 * math.pi * h), v
        assert planes == pytest.approx(wanted, abs=1e-12)


def test_hues_on_either_side_of_red_are_neighbours() -> None:
    purple, orange = one_pixel(1, 0, 0.01), one_pixel(1, 0.01, 0)
    assert (rgb_to_hsv(purple) - rgb_to_hsv(orange)).abs().max() > 0.99
    assert (circular_hsv(purple) - circular_hsv(orange)).abs().max() < 0.03


def test_circular_hsv_has_finite_gradients_where_there_is_no_hue() -> None:
    levels = torch.linspace(0, 1, 5, dtype=torch.float64).expand(1, 3, 1, 5)
    gray = levels.clone().requires_grad_()
    circular_hsv(gray).sum().backward()
    assert gray.grad is not None
    assert gray.grad.isfinite().all()


@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_a_constant_image_is_stretched_to_zero_with_finite_gradients(level: float) -> None:
    image = torch.full((2, 1, 4, 4), level, requires_grad=True)
    result = stretched(image)
    assert not result.any()
    result.sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()


def test_every_image_is_stretched_by_its_own_range_over_all_its_channels() -> None:
    noise = torch.rand(2, 3, 6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    offset = torch.tensor([0.1, 0.3, 0.0]).view(3, 1, 1)
    image = offset + noise * torch.tensor([0.5, 0.01]).view(2, 1, 1, 1)
    found = stretched(image).numpy()
    for result, given in zip(found, 255 * image.numpy(), strict=True):
        lowest, highest = given.min(), given.max()
        np.testing.assert_allclose(result, (given - lowest) / (highest - lowest + 0.001), rtol=1e-9)
        assert result.min() == 0
        assert 0.9999 < result.max() < 1
        assert result[1].mean() > result[0].mean() > result[2].mean()


def test_gain_and_offset_vanish_in_a_stretched_image() -> None:
    image = torch.rand(1, 3, 6, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(stretched(0.5 * image + 0.2), stretched(image), atol=1e-5, rtol=0)
    assert (stretched(image.square()) - stretched(image)).abs().max() > 0.1


def test_stretched_hsv_is_colorsys_in_8_bit_levels() -> None:
    hsv = [colorsys.rgb_to_hsv(*(level / 255 for level in pixel)) for pixel in PIXELS]
    levels = np.floor(255 * np.array(hsv)).T[None, :, None] / 255
    low, high = levels.min(), levels.max()
    wanted = (levels - low) / (high - low + STRETCH_FLOOR)
    np.testing.assert_allclose(stretched_hsv(image_of(PIXELS)).numpy(), wanted, atol=1e-6)


def test_stretched_hsv_has_a_seam_at_red() -> None:
    hue = stretched_hsv(image_of([(255, 0, 2), (255, 2, 0), (0, 0, 0)]))[0, 0, 0]
    assert hue[0] > 0.99
    assert hue[1] < 0.01


def test_stretched_hsv_rounds_colours_to_8_bits_first() -> None:
    image = image_of(PIXELS)
    noise = torch.rand(image.shape, generator=torch.Generator().manual_seed(0)) - 0.5
    nearby = (image + 0.8 / 255 * noise).clamp(0, 1)
    assert (nearby - image).abs().max() > 0.2 / 255
    assert torch.equal(stretched_hsv(nearby), stretched_hsv(image))
