"""The layers around the scan, written out from their parameters with the reference scan."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from crosschroma.datasets.base.errors import UserError
from crosschroma.models.colormamba.vss_block import SS2D, MambaGroup, VSSBlock
from crosschroma.models.scan.selective_scan import DIRECTIONS, selective_scan_2d
from torch import Tensor, nn

TWO = ("columns", "rows_reversed")


def randn(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def moved(module: nn.Module) -> Any:
    """In float64, every parameter away from its start: ones and equal levels hide mistakes."""
    for parameter in module.double().parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return module


def make_block(channels: int = 6, **changes: Any) -> VSSBlock:
    options = {"state": 2, "directions": TWO, "padding": "zero", "local": True, "agent": (3, 2)}
    return VSSBlock(channels, heads=2, **{**options, **changes})


def layer_norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    return centred / (variance + 1e-5).sqrt() * norm.weight + norm.bias


def silu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def conv(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """3x3 over (b, H, W, C)."""
    x = F.conv2d(x.movedim(-1, 1), layer.weight, layer.bias, padding=1, groups=layer.groups)
    return x.movedim(1, -1)


def ss2d_by_hand(module: SS2D, x: Tensor, state: int, rank: int) -> Tensor:
    """One direction after the other, each with its own slice of the projection."""
    both = x @ module.in_proj.weight.T
    inner = both.shape[-1] // 2
    u = silu(conv(both[..., :inner], module.conv))
    y = torch.zeros_like(u)
    for k, name in enumerate(module.directions):
        start = k * (rank + 2 * state)
        projected = u @ module.x_proj.weight[start : start + rank + 2 * state].T
        y += selective_scan_2d(
            u,
            (projected[..., :rank] @ module.dt_weight[k].T).unsqueeze(3),
            -torch.exp(module.A_log[k : k + 1]),
            projected[..., rank : rank + state].unsqueeze(3),
            projected[..., rank + state :].unsqueeze(3),
            D=module.D[k : k + 1],
            delta_bias=module.dt_bias[k : k + 1],
            directions=(name,),
            backend="reference",
        )
    return (layer_norm(y, module.norm) * silu(both[..., inner:])) @ module.out_proj.weight.T


@pytest.mark.parametrize("directions", [DIRECTIONS, TWO, ("columns_reversed",)])
@pytest.mark.parametrize(("channels", "expand", "rank"), [(20, 1, 2), (5, 2, 1)])
@torch.no_grad()
def test_ss2d_scans_between_two_projections(
    directions: Any, channels: int, expand: int, rank: int
) -> None:
    torch.manual_seed(0)
    module = moved(SS2D(channels, state=3, directions=directions, expand=expand))
    x = randn(2, 3, 5, channels)
    wanted = ss2d_by_hand(module, x, 3, rank)
    torch.testing.assert_close(module(x), wanted, rtol=0, atol=1e-6)  # A passes through float32


def test_ss2d_starts_from_short_steps_and_rising_decay() -> None:
    torch.manual_seed(0)
    module = SS2D(40, state=5)
    steps = F.softplus(module.dt_bias)
    assert 0.99e-3 < steps.min() < 2e-3
    assert 0.05 < steps.max() < 0.101
    assert 0.4 < (steps < 0.01).float().mean() < 0.6  # uniform in the logarithm
    decay = torch.exp(module.A_log)
    torch.testing.assert_close(decay, torch.arange(1.0, 6).expand(4, 80, 5))


@pytest.mark.parametrize("padding", ["none", "zero", "token"])
@pytest.mark.parametrize(("local", "agent"), [(True, (3, 2)), (True, None), (False, (1, 1))])
@torch.no_grad()
def test_the_block_adds_a_ringed_scan_and_then_its_local_parts(
    padding: Any, local: bool, agent: tuple[int, int] | None
) -> None:
    torch.manual_seed(0)
    block = moved(make_block(padding=padding, local=local, agent=agent))
    x = randn(2, 3, 4, 6)
    normal = layer_norm(x, block.norm)
    if padding == "none":
        scanned = block.ss2d(normal)
    else:
        ring = torch.zeros(2, 5, 6, 6, dtype=torch.float64)
        if padding == "token":
            ring[:] = block.token
        ring[:, 1:4, 1:5] = normal
        scanned = block.ss2d(ring)[:, 1:4, 1:5]
    y = block.skip * x + scanned
    branch = layer_norm(y, block.norm2)
    if local:
        first, _, second = block.local
        branch = conv(branch, first)
        branch = conv(branch * (1 + torch.erf(branch / 2**0.5)) / 2, second)
    if agent is not None:
        branch = block.agent(branch)
    torch.testing.assert_close(block(x), block.skip2 * y + branch, rtol=0, atol=1e-9)


@torch.no_grad()
def test_a_ring_of_zeros_is_a_token_of_zeros_and_no_ring_is_neither() -> None:
    torch.manual_seed(0)
    token = moved(make_block(padding="token"))
    x = randn(1, 3, 4, 6)
    learned = token(x)
    token.token.zero_()
    others = {}
    for padding in ("zero", "none"):
        block = make_block(padding=padding).double()
        assert block.load_state_dict(token.state_dict(), strict=False).missing_keys == []
        others[padding] = block(x)
    assert torch.equal(token(x), others["zero"])
    assert (others["none"] - others["zero"]).abs().max() > 1e-3
    assert (learned - others["zero"]).abs().max() > 1e-3


@pytest.mark.parametrize("padding", ["zero", "none", "token"])
def test_every_parameter_of_the_group_gets_a_gradient(padding: Any) -> None:
    torch.manual_seed(0)
    group = moved(MambaGroup(6, make_block(padding=padding, directions=DIRECTIONS)))
    group(randn(2, 6, 3, 5)).square().mean().backward()
    gradients = {name: p.grad for name, p in group.named_parameters()}
    assert ("block.token" in gradients) == (padding == "token")
    assert [name for name, g in gradients.items() if g.abs().max() < 1e-12] == []
    for name in ("x_proj.weight", "dt_weight", "dt_bias", "A_log", "D"):  # of every direction
        assert (gradients[f"block.ss2d.{name}"].unflatten(0, (4, -1)).flatten(1) != 0).any(1).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (7, 5), (9, 2)])
@pytest.mark.parametrize("bias", [True, False])
@torch.no_grad()
def test_the_group_keeps_any_size(size: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    group = moved(MambaGroup(6, make_block(), bias=bias))
    feature = randn(2, 6, *size)
    x = feature.movedim(1, -1)
    wanted = conv(layer_norm(x + group.block(x), group.norm), group.conv).movedim(-1, 1)
    assert group(feature).shape == feature.shape
    assert (group.conv.bias is not None) == bias
    torch.testing.assert_close(group(feature), wanted)


def test_the_backend_reaches_the_scan() -> None:
    unknown: Any = "numbaa"
    with pytest.raises(UserError, match="numbaa"):
        make_block(backend=unknown)(torch.zeros(1, 2, 2, 6))
