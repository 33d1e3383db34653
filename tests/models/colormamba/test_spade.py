from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from crosschroma.models.colormamba.spade import SPADE, SPADEResBlock
from torch import Tensor, nn
from torch.nn.utils.parametrize import remove_parametrizations


def randn(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def naive(module: SPADE, feature: Tensor, guide: Tensor) -> Tensor:
    """The formula, one pixel at a time."""
    batch, channels, height, width = feature.shape
    rows, columns = guide.shape[-2:]
    resized = guide.new_zeros(batch, guide.shape[1], height, width)
    for i in range(height):
        for j in range(width):
            resized[:, :, i, j] = guide[:, :, i * rows // height, j * columns // width]
    hidden = conv(resized, module.shared).clamp_min(0)
    gamma, beta = conv(hidden, module.gamma), conv(hidden, module.beta)
    out = torch.zeros_like(feature)
    for b in range(batch):
        for c in range(channels):
            plane = feature[b, c]
            centred = plane - plane.sum() / plane.numel()
            variance = centred.square().sum() / plane.numel()
            normal = centred / (variance + 1e-5).sqrt()
            for i in range(height):
                for j in range(width):
                    shift = beta[b, c, i, j]
                    out[b, c, i, j] = normal[i, j] * (1 + gamma[b, c, i, j]) + shift
    return out


def conv(x: Tensor, layer: nn.Conv2d) -> Tensor:
    return F.conv2d(x, layer.weight, layer.bias, padding=1)


@pytest.mark.parametrize("guide_size", [(4, 7), (2, 3), (9, 5), (1, 1)])
@pytest.mark.parametrize("training", [True, False])
@torch.no_grad()
def test_the_layer_computes_the_formula(guide_size: tuple[int, int], training: bool) -> None:
    torch.manual_seed(0)
    module = SPADE(3, 2, hidden=5).double().train(training)
    feature, guide = 3 * randn(2, 3, 4, 7) + 1, randn(2, 2, *guide_size)
    wanted = naive(module, feature, guide)
    torch.testing.assert_close(module(feature, guide), wanted, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_the_block_normalises_activates_and_convolves_twice() -> None:
    torch.manual_seed(0)
    block = SPADEResBlock(3, 1, hidden=5).double().eval()
    feature, guide = randn(2, 3, 4, 5), randn(2, 1, 8, 3)
    change = feature
    for spade, layer in ((block.spade0, block.conv0), (block.spade1, block.conv1)):
        normal = naive(spade, change, guide)
        change = conv(torch.where(normal > 0, normal, 0.2 * normal), layer)
    torch.testing.assert_close(block(feature, guide), feature + change, rtol=1e-9, atol=1e-9)


def test_a_block_whose_last_convolution_is_zero_is_the_identity() -> None:
    torch.manual_seed(0)
    block = SPADEResBlock(3, 1, hidden=5)
    remove_parametrizations(block.conv1, "weight")  # the spectral norm of zero divides by zero
    nn.init.zeros_(block.conv1.weight)
    nn.init.zeros_(block.conv1.bias)
    feature = torch.randn(2, 3, 6, 5)
    assert torch.equal(block(feature, torch.randn(2, 1, 6, 5)), feature)


@torch.no_grad()
def test_training_brings_the_convolutions_spectral_norms_to_one() -> None:
    torch.manual_seed(0)
    block = SPADEResBlock(3, 1, hidden=5).double()
    for layer in (block.conv0, block.conv1):
        layer.parametrizations.weight.original.mul_(30)
    for _ in range(50):
        block(randn(1, 3, 2, 2), randn(1, 1, 2, 2))
    for layer in (block.conv0, block.conv1):
        norm = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2).item()
        assert norm == pytest.approx(1, abs=1e-4)


def test_every_parameter_gets_a_gradient_but_the_bias_that_is_normalised_away() -> None:
    torch.manual_seed(0)
    block = SPADEResBlock(3, 2, hidden=5).double()
    block(randn(2, 3, 6, 5), randn(2, 2, 3, 4)).square().mean().backward()
    still = [name for name, p in block.named_parameters() if p.grad.abs().max() < 1e-12]
    assert still == ["conv0.bias"]


def test_the_guide_and_the_features_get_gradients() -> None:
    torch.manual_seed(0)
    block = SPADEResBlock(3, 2, hidden=5).double()
    feature, guide = randn(1, 3, 4, 4).requires_grad_(), randn(1, 2, 2, 2).requires_grad_()
    block(feature, guide).square().mean().backward()
    assert feature.grad.abs().min() > 0
    assert guide.grad.abs().min() > 0
