"""Predictions on several views, joined."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from crosschroma.datasets.base.batch import Batch
from crosschroma.models.base.self_ensemble import self_ensemble
from crosschroma.models.cocolor.method import CoColor
from crosschroma.models.encoder_unet import EncoderUNet
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
    evenly_spaced = F.interpolate(F.avg_pool2d(seen, 2) / 2, scale_factor=4, mode="bilinear")
    torch.testing.assert_close(cells, F.avg_pool2d(evenly_spaced, 4)[..., 1:-1, 1:-1])


@pytest.mark.parametrize("config", [EncoderUNet.Config(domain="nir"), CoColor.Config()])
def test_methods_colour_with_the_mirror_image(config: EncoderUNet.Config | CoColor.Config) -> None:
    torch.manual_seed(0)
    plain = config.smoke().build().eval()
    both = replace(config.smoke(), ensemble="flip").build().eval()
    for name, network in plain.networks().items():
        both.get_submodule(name).load_state_dict(network.state_dict())
    nir = F.interpolate(torch.rand(1, 1, 5, 7), (32, 48), mode="bicubic").clamp(0, 1)
    one = plain.colorize(Batch(key=[""], nir=nir))
    other = plain.colorize(Batch(key=[""], nir=nir.flip(-1))).flip(-1)
    assert not torch.allclose(one, other, atol=1e-4)
    found = both.colorize(Batch(key=[""], nir=nir))
    torch.testing.assert_close(found, (one + other) / 2, rtol=0, atol=1e-5)
