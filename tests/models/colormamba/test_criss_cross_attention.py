from __future__ import annotations

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from crosschroma.models.colormamba import criss_cross_attention as module
from crosschroma.models.colormamba.criss_cross_attention import CrissCrossFusion, criss_cross
from torch import Tensor, nn


def randn(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def naive(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Every pixel over its row and the rest of its column."""
    batch, _, height, width = value.shape
    out = torch.zeros_like(value)
    for b, i, j in product(range(batch), range(height), range(width)):
        cross = [(i, column) for column in range(width)]
        cross += [(row, j) for row in range(height) if row != i]
        logits = torch.stack([query[b, :, i, j] @ key[b, :, r, c] for r, c in cross])
        weights = torch.exp(logits - logits.max())
        weights = weights / weights.sum()
        values = torch.stack([value[b, :, r, c] for r, c in cross])
        out[b, :, i, j] = weights @ values
    return out


def fusion(gamma: float) -> CrissCrossFusion:
    """In float64, its statistics and affine maps away from 0 and 1."""
    made = CrissCrossFusion(4, 2, 3, gamma).double()
    for layer in made.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for x in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                nn.init.uniform_(x, 0.5, 1.5)
    return made


def convs(layers: nn.Sequential, x: Tensor) -> Tensor:
    first, _, norm, second, _ = layers
    x = F.conv2d(x, first.weight, first.bias, padding=1).clamp_min(0)
    mean, variance, weight, bias = (
        s[:, None, None] for s in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    x = (x - mean) / (variance + 1e-5).sqrt() * weight + bias
    return F.conv2d(x, second.weight, second.bias, padding=1).clamp_min(0)


@pytest.mark.parametrize("rows_at_a_time", [1, 2, 9])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1), (5, 3), (3, 6)])
def test_attention_computes_the_definition(
    size: tuple[int, int], rows_at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    height, width = size
    monkeypatch.setattr(module, "_CHUNK", rows_at_a_time * 2 * width * (height + width))
    q, k, v = randn(2, 3, *size), randn(2, 3, *size), randn(2, 4, *size)
    # the softmax is computed in float32
    torch.testing.assert_close(criss_cross(q, k, v), naive(q, k, v), rtol=0, atol=2e-6)


def test_a_pixel_counts_itself_once() -> None:
    value = torch.zeros(1, 1, 3, 4)
    value[0, 0, 1, 2] = 1
    even = criss_cross(torch.zeros(1, 1, 3, 4), torch.zeros(1, 1, 3, 4), value)
    wanted = torch.zeros(3, 4)
    wanted[1, :] = wanted[:, 2] = 1 / 6
    torch.testing.assert_close(even[0, 0], wanted)


def test_memory_is_bounded_by_blocks_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    heights = []
    whole = module._rows
    monkeypatch.setattr(
        module, "_rows", lambda q, *rest: heights.append(q.shape[1]) or whole(q, *rest)
    )
    monkeypatch.setattr(module, "_CHUNK", 2 * 3 * (5 + 3))
    q, v = torch.randn(1, 2, 5, 3), torch.randn(1, 4, 5, 3)
    criss_cross(q, q, v)
    assert heights == [2, 2, 1]


def test_bfloat16_costs_only_its_own_rounding() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 3, 5, 6).bfloat16() for _ in range(3))
    found = criss_cross(q, k, v)
    assert found.dtype == torch.bfloat16
    wanted = naive(q.double(), k.double(), v.double())
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=2**-5)


@torch.no_grad()
def test_the_fusion_adds_scaled_attention_to_the_mixed_images() -> None:
    torch.manual_seed(0)
    made = fusion(gamma=0.7).eval()
    feature, guide = 3 * randn(2, 4, 3, 5), 3 * randn(2, 2, 3, 5)
    q, k = convs(made.query, feature), convs(made.key, feature)
    attended = naive(q, k, convs(made.value, guide))
    wanted = 0.7 * attended + convs(made.mix, torch.cat([feature, guide], dim=1))
    assert attended.std() > 0.01
    torch.testing.assert_close(made(feature, guide), wanted, rtol=0, atol=2e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5])
def test_every_parameter_gets_a_gradient_unless_gamma_is_zero(gamma: float) -> None:
    torch.manual_seed(0)
    made = fusion(gamma)
    made(randn(2, 4, 5, 3), randn(2, 2, 5, 3)).square().mean().backward()
    still = {name for name, p in made.named_parameters() if p.grad.abs().max() < 1e-12}
    attention = {
        name for name, _ in made.named_parameters() if name.startswith(("query", "key", "value"))
    }
    assert still == (set() if gamma else attention)
