from __future__ import annotations

import torch
from crosschroma.models.cocolor.fusion import FeatureExchange, PathFusion
from torch import Tensor


def results(count: int, seed: int = 0) -> tuple[list[Tensor], list[Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    rgb = [torch.rand(2, 3, 10, 12, generator=generator) for _ in range(count)]
    return rgb, [torch.rand(2, 1, 10, 12, generator=generator) for _ in range(count)]


def disturbed(fusion: torch.nn.Module) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter += 0.5 * torch.randn_like(parameter)


def test_before_training_it_is_the_mean() -> None:
    rgb, planes = results(4)
    fused = PathFusion({"both": 4}, 8)("both", rgb, planes)
    torch.testing.assert_close(fused, torch.stack(rgb).mean(0))


def test_every_pixel_lies_between_the_results() -> None:
    rgb, planes = results(3)
    fusion = PathFusion({"a": 3}, 8)
    disturbed(fusion)
    fused = fusion("a", rgb, planes)
    low, high = torch.stack(rgb).amin(0), torch.stack(rgb).amax(0)
    assert (fused >= low - 1e-6).all()
    assert (fused <= high + 1e-6).all()
    assert (fused - torch.stack(rgb).mean(0)).abs().max() > 0.05


def test_one_weight_serves_all_three_channels() -> None:
    """A convex sum with other weights a channel would invent hues that no result has."""
    rgb, planes = results(2)
    fusion = PathFusion({"a": 2}, 8)
    disturbed(fusion)
    share = (fusion("a", rgb, planes) - rgb[1]) / (rgb[0] - rgb[1])
    clear = ((rgb[0] - rgb[1]).abs() > 0.05).all(1)
    evenly_spaced = (share.amax(1) - share.amin(1))[clear]
    assert len(evenly_spaced) > 50
    assert evenly_spaced.max() < 1e-3


def test_heads_have_weights_of_their_own() -> None:
    fusion = PathFusion({"nir": 2, "gray": 2}, 8)
    disturbed(fusion.heads["nir"])
    rgb, planes = results(2)
    torch.testing.assert_close(fusion("gray", rgb, planes), torch.stack(rgb).mean(0))
    assert (fusion("nir", rgb, planes) - torch.stack(rgb).mean(0)).abs().max() > 0.05


def test_it_learns_which_result_to_trust_where() -> None:
    rgb, planes = results(2)
    planes[0] = torch.zeros_like(planes[0])
    planes[0][..., 6:] = 1.0
    truth = torch.where(planes[0] > 0.5, rgb[0], rgb[1])
    torch.manual_seed(0)
    fusion = PathFusion({"a": 2}, 16)
    optimizer = torch.optim.Adam(fusion.parameters(), lr=1e-2)
    before = (fusion("a", rgb, planes) - truth).abs().mean().item()
    for _ in range(80):
        loss = (fusion("a", rgb, planes) - truth).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < before / 4


def test_exchange_adds_nothing_before_training_and_can_learn() -> None:
    own, other = torch.rand(2, 6, 3, 4), torch.rand(2, 6, 3, 4)
    exchange = FeatureExchange(("nir", "gray"), 6)
    gain = exchange("nir", own, other)
    assert gain.shape == own.shape
    assert torch.equal(gain, torch.zeros_like(own))
    gain.sum().backward()
    out = exchange.directions["nir"].out
    assert out.weight.grad.abs().sum() > 0  # pyright: ignore
    assert exchange.directions["gray"].out.weight.grad is None  # pyright: ignore


def test_exchange_weighs_channels_by_the_whole_image_and_adds_place_by_place() -> None:
    exchange = FeatureExchange(("nir",), 6)
    disturbed(exchange)
    own, other = torch.rand(1, 6, 8, 8), torch.rand(1, 6, 8, 8)
    moved = other.clone()
    moved[..., 0, 0] += 5
    change = (exchange("nir", own, moved) - exchange("nir", own, other)).abs().sum(1)[0]
    assert change[0, 0] > 5 * change.flatten()[1:].max()
    assert change.flatten()[1:].min() > 1e-5


def test_exchange_sees_the_other_map() -> None:
    exchange = FeatureExchange(("nir",), 6)
    disturbed(exchange)
    own, other = torch.rand(1, 6, 3, 4), torch.rand(1, 6, 3, 4)
    assert not torch.allclose(exchange("nir", own, other), exchange("nir", own, other + 1))
