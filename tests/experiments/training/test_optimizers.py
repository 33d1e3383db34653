"""Fused steps are the same steps; a state goes on where it is computed otherwise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from crosschroma.experiments.training.optimizers import fuse, load_state
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

MAKERS: dict[str, Callable[..., Optimizer]] = {
    "Adam": lambda ps: Adam(ps, lr=1e-2, betas=(0.5, 0.9)),
    "AdamW": lambda ps: AdamW(ps, lr=1e-2, weight_decay=0.1),
    "SGD": lambda ps: SGD(ps, lr=1e-2, momentum=0.9),
}


def steps(network: nn.Linear, optimizer: Optimizer, count: int = 3) -> None:
    for _ in range(count):
        network(torch.linspace(-1, 1, 12).reshape(2, 6)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


def network() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(6, 3)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_fused_is_the_same_but_for_rounding(make: Callable[..., Optimizer]) -> None:
    plain, fused = network(), network()
    optimizer = make(fused.parameters())
    fuse(optimizer)
    assert all(group["fused"] for group in optimizer.param_groups)
    steps(plain, make(plain.parameters()))
    steps(fused, optimizer)
    torch.testing.assert_close(fused.weight, plain.weight, atol=1e-6, rtol=0)


def test_what_cannot_be_fused_stays() -> None:
    optimizer = RMSprop(network().parameters())
    fuse(optimizer)
    assert "fused" not in optimizer.param_groups[0]


@pytest.mark.parametrize("fused", [(True, False), (False, True)])
def test_a_state_goes_on_as_it_is_computed_here(fused: tuple[bool, bool]) -> None:
    whole, cut = network(), network()
    steps(whole, MAKERS["Adam"](whole.parameters()), 6)
    first, second = (MAKERS["Adam"](cut.parameters()) for _ in range(2))
    for optimizer, is_fused in zip((first, second), fused, strict=True):
        if is_fused:
            fuse(optimizer)
    steps(cut, first)
    load_state(second, first.state_dict())
    assert bool(second.param_groups[0]["fused"]) == fused[1]
    assert second.param_groups[0]["betas"] == (0.5, 0.9)
    steps(cut, second)
    torch.testing.assert_close(cut.weight, whole.weight, atol=1e-6, rtol=0)
