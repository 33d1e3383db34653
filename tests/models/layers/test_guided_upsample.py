"""Colour at a picture's size: the luminance's edges, and nothing where there are none."""

from __future__ import annotations

import pytest
import torch
from crosschroma.datasets.base.color import rgb_to_lab
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.models.layers.guided_upsample import (
    RGB_EPS,
    guided_upsample,
    resized,
    resized_by_matrices,
)


def test_the_same_size_is_the_same_colour() -> None:
    ab, gray = torch.randn(2, 2, 20, 24), torch.rand(2, 1, 20, 24)
    assert torch.equal(guided_upsample(ab, gray, gray), ab)


@pytest.mark.parametrize(
    ("before", "after"), [((96, 80), (64, 64)), ((40, 33), (64, 64)), ((64, 64), (37, 150))]
)
def test_matrices_resize_alike_in_both_directions(before: tuple, after: tuple) -> None:
    plane = torch.rand(2, 3, *before)
    assert (resized(plane, after) - resized_by_matrices(plane, after)).abs().max() < 1e-6


def test_flat_luminance_is_plain_resizing() -> None:
    ab = torch.randn(1, 2, 8, 8)
    made = guided_upsample(ab, torch.full((1, 1, 8, 8), 0.4), torch.full((1, 1, 50, 40), 0.4))
    assert torch.allclose(made, resized(ab, (50, 40)), atol=1e-5)


def test_a_linear_relation_is_recovered_at_a_sharp_edge() -> None:
    full = torch.zeros(1, 1, 64, 64)
    full[..., 29:] = 1.0
    truth = torch.cat([40 * full - 20, 10 - 30 * full], dim=1)
    gray, ab = resized(full, (16, 16)), resized(truth, (16, 16))
    plain = (resized(ab, (64, 64)) - truth).abs()
    guided = (guided_upsample(ab, gray, full) - truth).abs()
    assert guided.max() < 0.25 * plain.max()


def test_detail_of_nir_reaches_rgb_that_follows_it() -> None:
    scene = torch.from_numpy(Scenes(size=128).split("test").load(0)["nir"])[None, None] / 255
    truth = torch.cat([0.8 * scene, 0.2 + 0.5 * scene, 0.9 - 0.3 * scene], dim=1)
    small, rgb = resized(scene, (32, 32)), resized(truth, (32, 32))
    plain = (resized(rgb, (128, 128)) - truth).square().mean()
    guided = (guided_upsample(rgb, small, scene, RGB_EPS) - truth).square().mean()
    assert guided < 0.1 * plain


def test_true_colours_of_scenes_come_back_better() -> None:
    scenes = Scenes(size=128).split("test")
    rgb = torch.stack([torch.from_numpy(scenes.load(index)["rgb"]) for index in range(8)])
    lab = rgb_to_lab(rgb.permute(0, 3, 1, 2) / 255)
    full, truth = lab[:, :1] / 100, lab[:, 1:]
    gray, ab = resized(full, (32, 32)), resized(truth, (32, 32))
    plain = (resized(ab, (128, 128)) - truth).square().mean()
    guided = (guided_upsample(ab, gray, full) - truth).square().mean()
    assert guided < 0.98 * plain


@pytest.mark.parametrize("size", [(12, 50), (40, 8)])
def test_bfloat16_is_resized_as_float32_is(size: tuple) -> None:
    plane = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(0)).bfloat16()
    found = resized(plane, size)
    assert found.dtype == torch.bfloat16
    assert (found.float() - resized(plane.float(), size)).abs().max() < 1 / 256
