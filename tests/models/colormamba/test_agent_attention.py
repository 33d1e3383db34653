"""Agent attention against loops over heads, agents and pixels."""

from __future__ import annotations

from itertools import product
from math import ceil

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from crosschroma.models.colormamba.agent_attention import AgentAttention, AgentBlock
from torch import nn

SIDE = 7  # agents in a row and in a column


def randomised(module: nn.Module) -> nn.Module:
    """In float64, every parameter far from its start: biases begin too small to matter."""
    for parameter in module.double().parameters():
        nn.init.normal_(parameter, std=0.7)
    return module


def bilinear(bias: np.ndarray, height: int, width: int) -> np.ndarray:
    """The last two axes resized; samples lie at pixel centres."""

    def weights(old: int, new: int) -> np.ndarray:
        matrix = np.zeros((new, old))
        for i in range(new):
            at = min(max((i + 0.5) * old / new - 0.5, 0), old - 1)
            below = int(at)
            matrix[i, below] += 1 - (at - below)
            matrix[i, min(below + 1, old - 1)] += at - below
        return matrix

    return weights(bias.shape[-2], height) @ bias @ weights(bias.shape[-1], width).T


def naive_biases(module: AgentAttention, name: str, height: int, width: int) -> np.ndarray:
    """(heads, agents, H, W)."""
    coarse, rows, columns = (
        getattr(module, f"{name}_{part}").detach().numpy() for part in ("map", "rows", "columns")
    )
    if module.grid == (1, 1):
        one = coarse[..., 3:4, 3:4] + rows + columns  # a 1 x 1 window sees the middle of the map
        return np.broadcast_to(one, (*coarse.shape[:2], height, width))
    resized = bilinear(coarse, height, width) + bilinear(rows, height, 1)
    return resized + bilinear(columns, 1, width)


def softmax(x: np.ndarray) -> np.ndarray:
    weights = np.exp(x - x.max())
    return weights / weights.sum()


def naive(module: AgentAttention, x: torch.Tensor) -> np.ndarray:
    """The definition, one agent or pixel of one head at a time."""
    weights = {name: p.detach().numpy() for name, p in module.named_parameters()}
    images = x.numpy()
    height, width, channels = images.shape[1:]
    size = channels // module.heads
    pixels = list(product(range(height), range(width)))
    bands, stripes = (
        [slice(i * length // SIDE, ceil((i + 1) * length / SIDE)) for i in range(SIDE)]
        for length in (height, width)
    )
    to_agents = naive_biases(module, "agent", height, width)
    to_pixels = naive_biases(module, "pixel", height, width)
    out = np.zeros_like(images)
    for image, result in zip(images, out, strict=True):
        q = image @ weights["q.weight"].T
        k = image @ weights["kv.weight"][:channels].T
        v = image @ weights["kv.weight"][channels:].T
        for head in range(module.heads):
            own = slice(head * size, (head + 1) * size)
            agents = [q[box][..., own].mean((0, 1)) for box in product(bands, stripes)]
            gathered = []
            for a, agent in enumerate(agents):
                logits = [agent @ k[p][own] / size**0.5 + to_agents[head, a][p] for p in pixels]
                values = np.array([v[p][own] for p in pixels])
                gathered.append(softmax(np.array(logits)) @ values)
            for p in pixels:
                logits = [
                    q[p][own] @ agent / size**0.5 + to_pixels[head, a][p]
                    for a, agent in enumerate(agents)
                ]
                result[p][own] = softmax(np.array(logits)) @ np.array(gathered)
        for i, j in pixels:
            result[i, j] += weights["depthwise.bias"]
            for di, dj in product((-1, 0, 1), repeat=2):
                if 0 <= i + di < height and 0 <= j + dj < width:
                    kernel = weights["depthwise.weight"][:, 0, 1 + di, 1 + dj]
                    result[i, j] += kernel * v[i + di, j + dj]
    return out @ weights["proj.weight"].T + weights["proj.bias"]


@pytest.mark.parametrize(
    ("grid", "size"),
    [((1, 1), (5, 8)), ((5, 8), (5, 8)), ((3, 4), (8, 5)), ((1, 6), (2, 3)), ((7, 7), (1, 1))],
)
def test_the_attention_computes_the_definition(
    grid: tuple[int, int], size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    module = randomised(AgentAttention(6, grid, heads=2))
    x = torch.randn(2, *size, 6, dtype=torch.float64)
    with torch.no_grad():
        np.testing.assert_allclose(module(x).numpy(), naive(module, x), rtol=1e-9, atol=1e-9)


def test_the_block_adds_the_attention_and_then_the_mlp() -> None:
    torch.manual_seed(0)
    block = randomised(AgentBlock(8, (3, 4), heads=4))
    first, _, second = block.mlp
    x = torch.randn(2, 3, 4, 8, dtype=torch.float64)
    with torch.no_grad():
        y = x + block.attention(F.layer_norm(x, (8,), block.norm.weight, block.norm.bias))
        hidden = F.linear(
            F.layer_norm(y, (8,), block.norm2.weight, block.norm2.bias), first.weight, first.bias
        )
        gelu = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
        wanted = y + F.linear(gelu, second.weight, second.bias)
        torch.testing.assert_close(block(x), wanted)
    assert hidden.shape[-1] == 32


@pytest.mark.parametrize("grid", [(1, 1), (3, 4)])
def test_every_parameter_gets_a_gradient_unless_softmax_removes_it(grid: tuple[int, int]) -> None:
    torch.manual_seed(0)
    block = randomised(AgentBlock(8, grid, heads=2))
    block(torch.randn(2, 5, 8, 8, dtype=torch.float64)).square().mean().backward()
    still = {name for name, p in block.named_parameters() if p.grad.abs().max() < 1e-12}
    constant = {f"attention.agent_{part}" for part in ("map", "rows", "columns")}
    assert still == (constant if grid == (1, 1) else set())
