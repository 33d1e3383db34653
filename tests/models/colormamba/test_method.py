from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from batches import smooth_batch
from crosschroma.datasets.base.color import rgb_to_lab
from crosschroma.datasets.base.errors import UserError
from crosschroma.losses.hsv import STRETCH_FLOOR, stretched
from crosschroma.losses.terms import Terms, total
from crosschroma.models.colormamba.method import ColorMamba, ColorMambaMethod, ColorMambaReleased
from crosschroma.models.colormamba.networks import ColorMambaGenerator, Design, laplacian
from torch import Tensor, nn

METHODS = [ColorMamba, ColorMambaReleased]
ABLATIONS = {
    "one direction": {"directions": ("rows",)},
    "one state": {"d_state": 1},
    "no padding": {"padding": "none"},
    "no local convolutions": {"local_conv": False},
    "no agents": {"agent": "none"},
    "no HSV network": {"hsv_branch": False},
}


def tiny(method: type[ColorMambaMethod], **changes: Any) -> ColorMambaMethod:
    """A narrow method, always of the same weights; ``changes`` are of the design."""
    torch.manual_seed(0)
    config = method.Config().smoke()
    return replace(config, design=replace(config.design, **changes)).build()


def noise(count: int, height: int = 64, width: int = 64) -> Tensor:
    return torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(1))


def train(method: ColorMambaMethod, steps: int = 1) -> SimpleNamespace:
    """Train on two images: terms by step, weights, and by optimiser updates and gradients.

    The engine's side of a step, without an engine.
    """
    batch, optimizers = smooth_batch(2, 64, 64), method.optimizers()
    log = SimpleNamespace(terms=[], weights={}, updates=Counter(), reached={})

    def backward(terms: Terms, optimizer: str) -> None:
        total(terms, 0).backward()
        log.terms[-1] |= {name: term.value.item() for name, term in terms.items()}
        log.weights |= {name: term.weight for name, term in terms.items()}

    def update(optimizer: str) -> None:
        own = method.get_submodule(optimizer).named_parameters()
        log.reached[optimizer] = {name for name, p in own if p.grad is not None and p.grad.any()}
        log.updates[optimizer] += 1
        optimizers[optimizer].step()
        optimizers[optimizer].zero_grad()

    @contextmanager
    def frozen(*networks: str) -> Iterator[None]:
        for name in networks:
            method.get_submodule(name).requires_grad_(False)
        yield
        for name in networks:
            method.get_submodule(name).requires_grad_(True)

    step = SimpleNamespace(index=0, backward=backward, update=update, frozen=frozen)
    for _ in range(steps):
        log.terms.append({})
        method.train().training_step(batch, step)
    return log


@torch.no_grad()
def inputs_of(generator: ColorMambaGenerator, nir: Tensor) -> dict[str, tuple]:
    """What the HSV and the RGB network are called with."""
    seen: dict[str, tuple] = {}
    for name in ("hsv", "rgb"):
        network = generator.get_submodule(name)
        network.register_forward_pre_hook(lambda _, given, name=name: seen.update({name: given}))
    generator.eval()(nir)
    return seen


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("border", ["reflect", "constant"])
def test_the_laplacian_is_the_mean_difference_from_eight_neighbours(border: str) -> None:
    image = noise(2, 5, 7)
    padded = np.pad(image.double().numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), mode=border)
    wanted = np.zeros((2, 1, 5, 7))
    for n, i, j in product(range(2), range(5), range(7)):
        around = padded[n, 0, i : i + 3, j : j + 3]
        wanted[n, 0, i, j] = sum(around[1, 1] - value for value in around.flat) / 8
    np.testing.assert_allclose(laplacian(image, border).numpy(), wanted, atol=1e-6)


def test_the_laplacian_of_a_point_and_of_nothing() -> None:
    point = torch.zeros(1, 1, 5, 5)
    point[..., 2, 2] = 1
    assert laplacian(point).max() == 1
    assert laplacian(1 - point).min() == -1
    assert not laplacian(torch.full((1, 1, 5, 5), 0.5)).any()


@pytest.mark.parametrize(
    ("design", "rgb", "hsv"),
    [
        (Design(), 72_482_364, 28_790_059),
        (Design.released(), 72_140_316, 28_103_819),
        (Design.small(), 5_737_625, 5_913_109),
    ],
    ids=["mended", "released", "small"],
)
def test_parameters(design: Design, rgb: int, hsv: int) -> None:
    with torch.device("meta"):
        generator = ColorMambaGenerator(design)
    assert generator.hsv is not None
    assert (parameters(generator.rgb), parameters(generator.hsv)) == (rgb, hsv)
    assert parameters(generator) == rgb + hsv


def test_too_few_levels_are_refused() -> None:
    with pytest.raises(UserError, match="levels 5: must be 6 to 12"):
        ColorMambaGenerator(replace(Design.small(), levels=5))


def test_the_edge_encoder_starts_as_a_copy_of_the_image_encoder() -> None:
    hsv = tiny(ColorMamba).generator.hsv
    assert hsv is not None
    for image, edge in list(zip(hsv.image, hsv.edge, strict=True))[1:]:
        for one, other in zip(image.parameters(), edge.parameters(), strict=True):
            assert one is not other
            assert torch.equal(one, other)


def test_the_networks_see_nir_as_it_is_and_its_edges() -> None:
    nir = 0.2 + 0.5 * noise(2)
    seen = inputs_of(tiny(ColorMamba).generator, nir)
    image, edge = seen["hsv"]
    assert torch.equal(image, torch.cat([nir, laplacian(nir)], dim=1))
    assert torch.equal(edge, laplacian(nir))
    assert torch.equal(seen["rgb"][0], nir)
    assert torch.equal(seen["rgb"][-1], laplacian(nir))


def test_the_released_networks_see_stretched_nir_and_differences_down_its_columns() -> None:
    levels = (255 * (0.2 + 0.5 * noise(1, 64, 128))).round()
    nir = levels / 255
    seen = inputs_of(tiny(ColorMambaReleased).generator, nir)
    image, edge = seen["hsv"]
    wide, no_hue, bright = stretched(nir), torch.zeros_like(nir), nir / (nir.max() + STRETCH_FLOOR)
    assert torch.equal(edge, 8 * laplacian(wide, "constant"))
    assert torch.equal(image, torch.cat([wide, edge, no_hue, no_hue, bright], dim=1))
    assert torch.equal(seen["rgb"][0], wide)
    rows = levels[0, 0].numpy()
    wanted = [
        rows[max(i - 1, 1 - i)] + rows[min(i + 1, 125 - i)] - 2 * rows[i] for i in range(len(rows))
    ]
    wanted = (np.array(wanted) - np.min(wanted)) / (np.max(wanted) - np.min(wanted))
    np.testing.assert_allclose(seen["rgb"][-1][0, 0].numpy(), wanted, atol=1e-6)


def test_gain_and_offset_of_nir_reach_the_released_networks_by_brightness_alone() -> None:
    levels = (100 * noise(1)).round()
    before = inputs_of(tiny(ColorMambaReleased).generator, levels / 255)
    after = inputs_of(tiny(ColorMambaReleased).generator, (2 * levels + 40) / 255)
    for name, place in product(("hsv", "rgb"), (0, -1)):
        same = slice(None, 4) if (name, place) == ("hsv", 0) else slice(None)
        found, wanted = after[name][place][:, same], before[name][place][:, same]
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
    assert (after["hsv"][0][:, 4] - before["hsv"][0][:, 4]).abs().max() > 0.1


@torch.no_grad()
def planes_of_large_weights(method: type[ColorMambaMethod]) -> tuple[Tensor, Tensor]:
    """HSV and RGB of heads that press against the limits."""
    generator = tiny(method).generator.eval()
    for head in (generator.hsv.head, generator.rgb.head):
        nn.init.normal_(head.weight, std=10)
    return generator(noise(2))


def test_mended_hsv_planes_lie_in_the_unit_disk_and_value_in_the_unit_interval() -> None:
    hsv, rgb = planes_of_large_weights(ColorMamba)
    chroma, value = hsv.split([2, 1], dim=1)
    assert 0.9 < chroma.square().sum(1).max() < 1 + 1e-6
    assert chroma.min() < -0.7
    for planes in (value, rgb):
        assert 0 <= planes.min() < 0.3 < 0.7 < planes.max() <= 1


def test_released_hsv_planes_lie_between_minus_one_and_one() -> None:
    hsv, rgb = planes_of_large_weights(ColorMambaReleased)
    assert -1 <= hsv.min() < -0.7 < 0.7 < hsv.max() <= 1
    assert 0 <= rgb.min() < 0.3 < 0.7 < rgb.max() <= 1


def test_no_chroma_has_finite_gradients() -> None:
    method = tiny(ColorMamba)
    for parameter in method.generator.hsv.head.parameters():
        nn.init.zeros_(parameter)
    hsv, rgb = method.generator(noise(1))
    assert not hsv[:, :2].any()
    (hsv.sum() + rgb.sum()).backward()
    assert all(p.grad.isfinite().all() for p in method.generator.parameters() if p.grad is not None)
    assert method.generator.hsv.head.weight.grad.any()


def test_the_rgb_network_is_guided_by_every_map_and_plane_of_the_hsv_network() -> None:
    generator = tiny(ColorMamba).generator
    nir, hsv, maps, edge = inputs_of(generator, noise(1))["rgb"]
    guides = [guide.detach().requires_grad_() for guide in (hsv, *maps)]
    generator.rgb(nir, guides[0], guides[1:], edge).square().sum().backward()
    assert [guide.shape[-1] for guide in guides] == [64, 32, 16, 8, 4]
    assert all(guide.grad is not None and guide.grad.any() for guide in guides)


@pytest.mark.parametrize("cls", METHODS)
@pytest.mark.parametrize("size", [(1, 1), (45, 67), (130, 33)])
@torch.no_grad()
def test_any_size_comes_back_in_colour(cls: type, size: tuple[int, int]) -> None:
    method = tiny(cls).eval()
    rgb = method.colorize(smooth_batch(1, *size))
    assert rgb.shape == (1, 3, *size)
    assert rgb.isfinite().all()


@torch.no_grad()
def test_gray_keeps_its_luminance() -> None:
    torch.manual_seed(0)
    batch = smooth_batch(1, 45, 67)
    method = replace(ColorMamba.Config().smoke(), domain="gray").build().eval()
    rgb = method.colorize(batch)
    assert rgb.shape == (1, 3, 45, 67)
    assert (rgb_to_lab(rgb)[:, :1] - 100 * batch["gray"]).abs().max() < 0.1


@pytest.mark.parametrize("method", METHODS)
@torch.no_grad()
def test_an_image_is_coloured_alike_alone_and_beside_another(method: type) -> None:
    generator = tiny(method).generator.eval()
    both = noise(2) * torch.tensor([1.0, 0.3]).view(2, 1, 1, 1)
    together = generator(both)
    alone = [generator(image) for image in both.split(1)]
    for found, wanted in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(found, torch.cat(wanted), atol=2e-5, rtol=0)


@pytest.mark.parametrize("change", ABLATIONS.values(), ids=ABLATIONS)
def test_ablations_are_smaller_and_train_all_that_they_keep(change: dict[str, Any]) -> None:
    method = tiny(ColorMamba, **change)
    assert parameters(method.generator) < parameters(tiny(ColorMamba).generator)
    reached = train(method).reached
    assert reached.keys() == method.networks().keys()
    for name, network in method.networks().items():
        assert reached[name] == dict(network.named_parameters()).keys()


def test_without_the_hsv_network_there_is_no_critic_of_it_either() -> None:
    method = tiny(ColorMamba, hsv_branch=False)
    assert method.generator.hsv is None
    assert method.networks().keys() == method.optimizers().keys() == {"generator", "critic_rgb"}
    assert not any("hsv" in name or "spade" in name for name, _ in method.named_parameters())
    terms = train(method, steps=8).terms
    assert "adv_critic_rgb" in terms[0]
    assert not any("hsv" in name for name in terms[0])
    assert terms[-1]["l1_rgb"] < 0.9 * terms[0]["l1_rgb"]
    assert method.eval().colorize(smooth_batch(1, 45, 67)).shape == (1, 3, 45, 67)


@pytest.mark.parametrize("cls", METHODS)
def test_without_an_adversarial_weight_there_are_no_critics(cls: type) -> None:
    torch.manual_seed(0)
    method = replace(cls.Config().smoke(), weight_adv=0.0).build()
    assert method.networks().keys() == {"generator"}
    terms = train(method).terms[0]
    assert not any("adv" in name for name in terms)
    assert any(name.endswith("hsv") for name in terms)


def test_a_released_step_moves_every_parameter_of_the_generator() -> None:
    """From its gamma of 0 the criss-cross attention learns in the second update only."""
    method = tiny(ColorMambaReleased)
    before = {name: p.detach().clone() for name, p in method.generator.named_parameters()}
    updates = train(method).updates
    assert updates == {"critic_rgb": 1, "critic_hsv": 1, "generator": 2}
    after = dict(method.generator.named_parameters())
    assert [name for name, p in before.items() if torch.equal(p, after[name])] == []


def test_a_mended_step_updates_every_network_once_and_its_critics_by_their_own_loss_alone() -> None:
    method = tiny(ColorMamba)
    updates = train(method).updates
    assert updates == {"critic_rgb": 1, "critic_hsv": 1, "generator": 1}
    for critic in (method.critic_rgb, method.critic_hsv):
        assert all(p.grad is None for p in critic.parameters())


def test_released_weights() -> None:
    parts = ("mse", "feature_mse", "feature_angle", "ms_ssim")
    wanted = {f"{part}_rgb": 2000 for part in parts} | {f"{part}_hsv": 100 for part in parts}
    wanted |= {"adv_critic_rgb": 2, "adv_critic_hsv": 2}
    wanted |= {"adv_g_critic_rgb": 1, "adv_g_critic_hsv": 1}
    assert train(tiny(ColorMambaReleased)).weights == wanted


def test_released_targets_are_stretched_and_the_mended_ones_are_not() -> None:
    batch = smooth_batch(2, 16, 16)
    batch["rgb"] = 0.2 + 0.5 * batch["rgb"]
    mended, released = (tiny(method).targets(batch) for method in METHODS)
    assert torch.equal(mended[0], batch["rgb"])
    assert mended[1][:, :2].min() < 0
    torch.testing.assert_close(mended[1][:, 2], batch["rgb"].amax(1))
    for planes in released:
        assert planes.amin((1, 2, 3)).tolist() == [0, 0]
        assert planes.amax((1, 2, 3)).tolist() == pytest.approx([1, 1], abs=1e-4)
