"""Self-attention over a map."""

from __future__ import annotations

import pytest
import torch
from crosschroma.models.layers.self_attention import SelfAttention


def test_by_the_formula() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(16).eval()
    with torch.no_grad():
        attention.gain.fill_(0.5)
    x = torch.randn(2, 16, 3, 5)
    expected = x.clone()
    query, key, value = (
        layer.weight[:, :, 0, 0] for layer in (attention.query, attention.key, attention.value)
    )
    for b in range(2):
        places = x[b].flatten(1)  # C x N
        for n in range(15):
            shares = torch.softmax((query @ places[:, n]) @ (key @ places), dim=0)
            gained = (value @ places) @ shares
            expected[b, :, n // 5, n % 5] += 0.5 * gained
    torch.testing.assert_close(attention(x), expected, atol=1e-5, rtol=1e-5)


def test_begins_as_the_identity_and_learns_from_the_first_step() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(16)
    x = torch.randn(1, 16, 4, 4)
    torch.testing.assert_close(attention(x), x, atol=1e-4, rtol=0)
    attention(x).square().sum().backward()
    for name, parameter in attention.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("layer", ["query", "key", "value"])
def test_kernels_have_spectral_norm_one(layer: str) -> None:
    torch.manual_seed(0)
    attention = SelfAttention(32)
    for _ in range(50):
        attention(torch.randn(1, 32, 2, 2))
    weight = getattr(attention, layer).weight.flatten(1)
    assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, rel=1e-2)
