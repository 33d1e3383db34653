"""Predictions on several views, joined."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from crosschroma.models.self_ensemble import self_ensemble
from torch import Tensor

IMAGE = torch.rand(2, 1, 16, 24, generator=torch.Generator().manual_seed(0))


def ramp(image: Tensor) -> Tensor:
    """Knows left from right."""
    return image * torch.linspace(0, 1, image.shape[-1])


def test_the_mirror_image_is_turned_back() -> None:
    assert torch.equal(self_ensemble(ramp, IMAGE, "none"), ramp(IMAGE))
    torch.testing.assert_close(self_ensemble(ramp, IMAGE, "flip"), IMAGE / 2)


def test_views_that_agree_change_nothing() -> None:
    torch.testing.assert_close(self_ensemble(lambda image: 3 * image, IMAGE, "scales"), 3 * IMAGE)


def test_half_size_moves_the_colour_of_cells_and_no_detail() -> None:
    """A network that is 1 brighter at half size moves everything by a half."""

    def brighter(image: Tensor) -> Tensor:
        return image + float(image.shape[-1] == 12)

    torch.testing.assert_close(self_ensemble(brighter, IMAGE, "scales"), IMAGE + 0.5)


def test_half_size_counts_by_cells() -> None:
    """What only half size shows reaches the result as its mean over cells, halved."""
    seen = torch.rand(2, 1, 8, 12, generator=torch.Generator().manual_seed(1))
    seen = (seen + seen.flip(-1)) / 2

    def network(image: Tensor) -> Tensor:
        return seen if image.shape[-1] == 12 else torch.zeros_like(image)

    cells = F.avg_pool2d(self_ensemble(network, IMAGE, "scales"), 4)[..., 1:-1, 1:-1]
    spread = F.interpolate(F.avg_pool2d(seen, 2) / 2, scale_factor=4, mode="bilinear")
    torch.testing.assert_close(cells, F.avg_pool2d(spread, 4)[..., 1:-1, 1:-1])
