"""Folding: the same numbers, norms gone where they may go and kept where they must stay."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from crosschroma.experiments.inference.fold_batchnorm import folded, norms
from crosschroma.losses.pretrained.torchvision_import import ensure_torchvision
from crosschroma.models.encoder_unet import EncoderUNet
from crosschroma.models.layers.norms import init_normal
from crosschroma.models.pix2pix import Pix2Pix
from crosschroma.models.unet import UNet
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


def lively(network: nn.Module) -> nn.Module:
    """Random running averages and affine parts, so that a wrong fold shows."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -1.0, 1.0),
                (module.running_var, 0.3, 2.0),
                (module.weight, 0.5, 1.5),
                (module.bias, -0.5, 0.5),
            ):
                if tensor is not None:
                    tensor.data.uniform_(low, high, generator=generator)
    return network.eval()


def difference(network: nn.Module, made: nn.Module, image: Tensor) -> float:
    with torch.no_grad():
        expected = network(image)
        return float((made(image) - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        lambda bias: nn.Conv2d(4, 6, 3, padding=1, bias=bias),
        lambda bias: nn.Conv2d(4, 6, 3, stride=2, groups=2, bias=bias),
        # where channels in and out are as many, a scale along the wrong axis goes unnoticed
        lambda bias: nn.ConvTranspose2d(4, 4, 4, 2, 1, bias=bias),
        lambda bias: nn.ConvTranspose2d(4, 6, 2, stride=2, bias=bias),
        lambda bias: nn.ConvTranspose2d(4, 4, 4, 2, 1, groups=2, bias=bias),
    ],
)
def test_one_pair(make: Callable[[bool], nn.Module], bias: bool) -> None:
    torch.manual_seed(0)
    convolution = make(bias)
    network = nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels))
    lively(network)
    image = torch.randn(2, 4, 9, 11)
    made = folded(network, image)
    assert norms(made) == 0
    assert norms(network) == 1
    assert difference(network, made, image) < 1e-6


def test_spectral_norm_becomes_a_plain_weight() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(spectral_norm(nn.Conv2d(1, 3, 3)), nn.BatchNorm2d(3))
    image = torch.randn(2, 1, 8, 8)
    network.train()(image)
    lively(network)
    made = folded(network, image)
    assert norms(made) == 0
    assert set(made.state_dict()) == {"0.weight", "0.bias"}
    assert difference(network, made, image) < 1e-6
    assert "0.parametrizations.weight.original" in network.state_dict()


def test_a_norm_without_affine_part() -> None:
    network = lively(nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3, affine=False)))
    image = torch.randn(1, 1, 8, 8)
    made = folded(network, image)
    assert norms(made) == 0
    assert difference(network, made, image) < 1e-6


class Forked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        made = self.conv(x)
        return torch.cat([made, self.norm(made)], dim=1)


class Twice(Forked):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.norm(self.conv(x)))


class Behind(Forked):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(torch.relu(self.conv(x)))


@pytest.mark.parametrize("network", [Forked(), Twice(), Behind()], ids=lambda n: type(n).__name__)
def test_pairs_that_must_stay(network: nn.Module) -> None:
    image = torch.randn(2, 1, 8, 8)
    made = folded(lively(network), image)
    assert norms(made) == 1
    assert difference(network, made, image) == 0


def test_a_pair_that_runs_twice_is_folded_once() -> None:
    class Mirrored(Forked):
        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.conv(x)) + self.norm(self.conv(x.flip(-1))).flip(-1)

    image = torch.randn(2, 1, 8, 8)
    network = lively(Mirrored())
    made = folded(network, image)
    assert norms(made) == 0
    assert difference(network, made, image) < 1e-6


def test_timms_norm_keeps_its_activation() -> None:
    ensure_torchvision()
    from timm.layers.norm_act import BatchNormAct2d

    network = lively(nn.Sequential(nn.Conv2d(2, 5, 1), BatchNormAct2d(5, act_layer=nn.SiLU)))
    image = torch.randn(1, 2, 6, 6)
    made = folded(network, image)
    assert norms(made) == 0
    assert difference(network, made, image) < 1e-6


@pytest.mark.parametrize(
    "config",
    [
        UNet.Config(width=4, levels=2),
        Pix2Pix.Config(domain="gray", width=4, levels=5),
        EncoderUNet.Config(width=4, encoder="resnet18"),
    ],
    ids=lambda config: type(config).method_class.name,
)
def test_generators_lose_every_norm_and_no_digit(config) -> None:
    torch.manual_seed(0)
    generator = config.build().generator
    if config.method_class is Pix2Pix:
        init_normal(generator)
    lively(generator)
    before = copy.deepcopy(generator.state_dict())
    image = torch.randn(1, 1, 64, 32)
    made = folded(generator, image)
    assert norms(generator) > 0
    assert norms(made) == 0
    assert difference(generator, made, image) < 1e-4
    assert not any(p.requires_grad for p in made.parameters())
    assert all(torch.equal(value, before[key]) for key, value in generator.state_dict().items())
