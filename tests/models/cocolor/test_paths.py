from __future__ import annotations

import pytest
import torch
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.color import rgb_to_lab
from crosschroma.datasets.base.errors import UserError
from crosschroma.models.cocolor.method import CoColor
from crosschroma.models.cocolor.paths import PATHS, PathColorizer, painted, with_luminance
from crosschroma.models.encoder_unet import EncoderUNet
from crosschroma.models.pix2pix import Pix2Pix
from crosschroma.models.unet import UNet

CONFIGS = {
    "unet": lambda domain: UNet.Config(domain=domain, width=4, levels=3),
    "encoder_unet": lambda domain: EncoderUNet.Config(
        domain=domain, width=4, encoder_weights="none", ensemble="none"
    ),
    "pix2pix": lambda domain: Pix2Pix.Config(domain=domain, width=4, levels=4),
}


def plane(height: int = 30, width: int = 45) -> torch.Tensor:
    return torch.rand(2, 1, height, width, generator=torch.Generator().manual_seed(0))


def test_the_paths_are_the_four_of_the_paper() -> None:
    assert {(path.given, path.colorizer) for path in PATHS.values()} == {
        (given, colorizer) for given in ("nir", "gray") for colorizer in ("nir", "gray")
    }
    for name, (given, colorizer) in PATHS.items():
        assert name == (given if given == colorizer else f"{given}_as_{colorizer}")


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("domain", ["nir", "gray"])
def test_a_method_on_a_path_colours_as_it_does_alone(kind: str, domain: str) -> None:
    torch.manual_seed(0)
    colorizer = PathColorizer(CONFIGS[kind](domain), domain).eval()  # pyright: ignore
    given = plane()
    result = painted(domain, *colorizer(given)[:1], given, None)  # pyright: ignore
    alone = colorizer.system.colorize(Batch(key=["a", "b"], **{domain: given}))  # pyright: ignore
    torch.testing.assert_close(result.rgb, alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["unet", "encoder_unet"])
def test_the_coarsest_map_is_shown_and_can_be_changed(kind: str) -> None:
    torch.manual_seed(0)
    colorizer = PathColorizer(CONFIGS[kind]("nir"), "nir").eval()
    given = plane()
    output, feature = colorizer(given)
    assert colorizer.coarsest is not None
    channels, stride = colorizer.coarsest
    assert feature.shape == (2, channels, -(-30 // stride), -(-45 // stride))
    torch.testing.assert_close(colorizer(given, torch.zeros_like(feature))[0], output)
    changed, seen = colorizer(given, torch.ones_like(feature))
    assert (changed - output).abs().max() > 1e-5
    torch.testing.assert_close(seen, feature)  # what is seen is the colorizer's own


def test_a_generator_that_hides_its_maps_has_none() -> None:
    colorizer = PathColorizer(CONFIGS["pix2pix"]("gray"), "gray").eval()
    assert colorizer.coarsest is None
    assert colorizer(plane())[1] is None


def test_gray_paths_take_their_luminance_from_the_plane_they_were_given() -> None:
    colorizer = PathColorizer(CONFIGS["unet"]("gray"), "gray").eval()
    given = plane()
    rgb = painted("gray", colorizer(given)[0], given, None).rgb
    assert (rgb_to_lab(rgb)[:, :1] - 100 * given).abs().max() < 0.1


def test_losses_do_not_drive_colours_further_out_of_srgb() -> None:
    plane = torch.full((1, 1, 2, 2), 0.5)
    for gamut, driven in (("clip", False), ("chroma", True)):
        output = torch.ones(1, 2, 2, 2, requires_grad=True)  # ab of (110, 110)
        rgb = painted("gray", output, plane, None, gamut).rgb  # pyright: ignore
        (rgb.amax(1) - rgb.amin(1)).sum().backward()  # more colour, please
        assert output.grad.abs().max().gt(1e-3) == driven  # pyright: ignore


def test_luminance_is_replaced_and_ab_stays() -> None:
    rgb = 0.4 + 0.2 * torch.rand(2, 3, 8, 8)
    gray = torch.full((2, 1, 8, 8), 0.55)
    found = rgb_to_lab(with_luminance(rgb, gray))
    assert (found[:, :1] - 55).abs().max() < 0.1
    assert (found[:, 1:] - rgb_to_lab(rgb)[:, 1:]).abs().max() < 0.1


def test_what_cannot_be_a_colorizer_is_named() -> None:
    with pytest.raises(UserError, match="colorizer for nir is a unet for gray"):
        PathColorizer(CONFIGS["unet"]("gray"), "nir")
    nested = CoColor.Config().smoke()
    with pytest.raises(UserError, match="cocolor is not one generator"):
        PathColorizer(nested, "nir")
