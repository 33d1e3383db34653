"""Tiles: all of the picture, nothing twice, no step at a seam."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from crosschroma.experiments.inference.tiles import starts, tiled


@pytest.mark.parametrize(("length", "side", "overlap"), [(65, 64, 8), (200, 64, 8), (1000, 64, 32)])
def test_tiles_cover_the_axis_and_overlap(length: int, side: int, overlap: int) -> None:
    places = starts(length, side, overlap)
    assert places[0] == 0
    assert places[-1] == length - side
    steps = [after - before for before, after in pairwise(places)]
    assert max(steps) <= side - overlap
    assert max(steps) - min(steps) <= 1
    assert len(places) == 1 + -(-(length - side) // (side - overlap))  # no more than needed


@pytest.mark.parametrize("size", [(64, 64), (30, 200), (150, 40), (131, 97), (65, 65)])
def test_a_function_of_each_pixel_is_unchanged(size: tuple[int, int]) -> None:
    image = torch.rand(2, 1, *size)
    made = tiled(lambda x, *at: torch.cat([x, x.square()], dim=1), image, 64, 8)
    assert torch.allclose(made, torch.cat([image, image.square()], dim=1), atol=1e-6)


def test_a_small_picture_is_seen_whole() -> None:
    seen = []
    tiled(lambda x, *at: seen.append(x.shape) or x, torch.rand(1, 1, 64, 20), 64, 8)
    assert seen == [(1, 1, 64, 20)]


def test_a_convolution_differs_only_where_tiles_end() -> None:
    image = torch.rand(1, 1, 150, 140)
    kernel = torch.rand(1, 1, 3, 3) / 9

    def blur(x: torch.Tensor, *at: int) -> torch.Tensor:
        return F.conv2d(x, kernel, padding=1)

    made, whole = tiled(blur, image, 64, 16), blur(image)
    assert (made - whole).abs().max() < 0.1 * whole.abs().max()
    assert ((made - whole).abs() > 1e-5).float().mean() < 0.15


def test_tiles_of_different_brightness_meet_in_a_ramp() -> None:
    """Every tile comes back as one number: neighbours then differ by a step, pixels must not."""
    numbers = iter(range(100))
    made = tiled(
        lambda x, *at: torch.full_like(x, float(next(numbers))), torch.rand(1, 1, 8, 200), 64, 32
    )
    steps = made[0, 0, 0].diff()
    assert made[0, 0, 0, 0] == 0
    assert made[0, 0, 0, -1] == len(starts(200, 64, 32)) - 1
    assert (steps > -1e-6).all()
    assert steps.max() < 0.1
