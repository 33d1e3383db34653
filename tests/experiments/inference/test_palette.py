"""Palettes: what is measured of a reference, and pictures that take after it."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.color import lab_from_uint8, rgb_to_hsv
from crosschroma.datasets.base.errors import DataError
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.inference.palette import Palette, Recolor
from crosschroma.models.color.ab_bins import ab_bins
from crosschroma.models.unet import UNet
from crosschroma.models.zhang17.method import Zhang17
from PIL import Image


def picture(seed: int = 0, height: int = 48, width: int = 64) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(60, 190, (4, 5, 3), np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def test_what_is_measured_of_a_picture() -> None:
    levels = picture()
    palette = Palette.of(levels, "a.png")
    ab = lab_from_uint8(levels)[..., 1:].reshape(-1, 2)
    assert palette.ab_mean == pytest.approx(ab.mean(0), abs=1e-2)
    assert palette.ab_std == pytest.approx(ab.std(0), abs=1e-2)
    hsv = rgb_to_hsv(torch.from_numpy(levels / 255).permute(2, 0, 1))
    assert palette.saturation == pytest.approx(hsv[1].mean().item(), abs=1e-5)
    assert sum(palette.histogram) == pytest.approx(1)
    mean = torch.tensor(palette.histogram) @ ab_bins()
    assert mean.tolist() == pytest.approx(palette.ab_mean, abs=2)


def test_large_gray_and_deep_references() -> None:
    large = np.repeat(np.repeat(picture(), 12, 0), 12, 1)
    assert Palette.of(large).ab_mean == pytest.approx(Palette.of(picture()).ab_mean, abs=0.2)
    deep = Palette.of(picture().astype(np.uint16) * 257)
    assert deep.ab_std == pytest.approx(Palette.of(picture()).ab_std, abs=1e-3)
    gray = Palette.of(picture()[..., 0])
    assert (*gray.ab_mean, *gray.ab_std) == pytest.approx((0, 0, 0, 0), abs=0.02)


def test_plain_values_and_what_is_refused() -> None:
    palette = Palette.of(picture(), "a.png")
    plain = {**asdict(palette), "histogram": list(palette.histogram)}
    assert Palette.from_plain(plain) == palette
    older = {name: value for name, value in plain.items() if name != "lightness"}
    assert Palette.from_plain(older) == replace(palette, lightness=None)
    for wrong, text in (
        ({"histogram": [1.0]}, "histogram of the palette must be 313 numbers"),
        ({"histogram": [2.0] * 313}, "histogram of the palette: must be 0 to 1"),
        ({"saturation": float("nan")}, "saturation of the palette: must be 0 to 1"),
        ({"saturation": True}, "saturation of the palette must be 1 number$"),
        ({"ab_mean": ["1", 2]}, "ab_mean of the palette must be 2 numbers"),
        ({"ab_std": [-1, 2]}, "ab_std of the palette: must be 0 to 110"),
        ({"lightness": 101}, "lightness of the palette: must be 0 to 100"),
        ({"hue": 1}, "unknown key of the palette 'hue'"),
    ):
        with pytest.raises(DataError, match=text):
            Palette.from_plain({**plain, **wrong})


def test_recolouring_gives_the_palette_its_mean_and_spread() -> None:
    ab = 10 * torch.randn(1, 2, 30, 40) + torch.tensor([5.0, -8.0]).view(1, 2, 1, 1)
    palette = replace(Palette.of(picture()), ab_mean=(20.0, -3.0), ab_std=(15.0, 4.0))
    recolor = Recolor.between(ab, palette)
    found = recolor(ab)[0].flatten(1)
    assert found.mean(1).tolist() == pytest.approx([20, -3], abs=1e-3)
    assert found.std(1, correction=0).tolist() == pytest.approx([15, 4], abs=1e-3)


def test_flat_predictions_are_moved_and_noise_is_not_blown_up() -> None:
    palette = replace(Palette.of(picture()), ab_mean=(40.0, 0.0), ab_std=(30.0, 0.0))
    recolor = Recolor.between(torch.zeros(1, 2, 8, 8), palette)
    assert recolor.gain == (4.0, 0.0)
    assert recolor(torch.zeros(1, 2, 1, 1)).flatten().tolist() == [40, 0]


@pytest.mark.parametrize("domain", ["gray", "nir"])
def test_a_picture_takes_after_its_palette(domain: str) -> None:
    torch.manual_seed(0)
    colorize = Colorizer(UNet.Config(domain=domain, width=4, levels=2).build(), None)
    palette = replace(Palette.of(picture()), ab_mean=(12.0, -9.0), ab_std=(0.2, 0.3))
    levels = np.full((40, 40), 120, np.uint8)
    levels[10:30] = 150
    lab = lab_from_uint8(colorize(levels, palette=palette))
    assert lab[..., 1:].mean((0, 1)) == pytest.approx([12, -9], abs=0.5)
    assert np.abs(lab_from_uint8(colorize(levels))[..., 1].mean() - 12) > 3


def test_only_a_predicted_lightness_is_moved() -> None:
    torch.manual_seed(0)
    levels = np.full((40, 40), 120, np.uint8)
    palette = replace(Palette.of(picture()), ab_mean=(2.0, 3.0), lightness=30.0)
    for domain, told in (("gray", None), ("nir", 30.0)):
        colorize = Colorizer(UNet.Config(domain=domain, width=4, levels=2).build(), None)
        lightness, before = (
            lab_from_uint8(colorize(levels, palette=given))[..., 0].mean()
            for given in (palette, replace(palette, lightness=None))
        )
        assert lightness == pytest.approx(before if told is None else told, abs=0.7)
        assert told is None or abs(before - told) > 5


def test_global_hints_go_to_a_method_that_takes_them() -> None:
    torch.manual_seed(0)
    method = Zhang17.Config(width=8, global_hints=True).build()
    seen = []
    method.global_network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    colorize = Colorizer(method, 32)
    palette = Palette.of(picture())
    colorize(picture(1), palette=palette)
    [given] = seen
    assert torch.equal(given, palette.global_hints())
    assert given.shape == (1, 316)
    assert given[0, :313].tolist() == pytest.approx(list(palette.histogram))
    assert given[0, 313:].tolist() == pytest.approx([1, palette.saturation, 1])
    colorize(picture(1))
    assert not seen[1].any()
