"""Pruning: the smallest weights become 0; channels that do nothing leave, and nothing changes."""

from __future__ import annotations

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.deploy.prune import narrowed, sparsified, with_width
from crosschroma.models.cocolor.method import CoColor
from crosschroma.models.encoder_unet import EncoderUNet
from crosschroma.models.pix2pix import Pix2Pix, Pix2PixGenerator
from crosschroma.models.unet import UNet, UNetGenerator
from torch import Tensor, nn


def unet(width: int) -> nn.Module:
    return UNetGenerator(1, 2, width, 2, "batch")


def pix2pix(width: int) -> nn.Module:
    return Pix2PixGenerator(1, 2, width, 3, 0.5)


def lively(network: nn.Module) -> nn.Module:
    """Norms that have seen something, so that no two channels are alike."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.3, 2.0)
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return network.eval()


@pytest.mark.parametrize("make", [unet, pix2pix])
def test_channels_that_do_nothing_leave_and_nothing_changes(make) -> None:
    """In every convolution half of the channels, here and there, get kernels of 0."""
    torch.manual_seed(0)
    wide, narrow = lively(make(8)), make(4)
    silence(wide, narrow)
    plane = torch.rand(2, 1, 32, 32) * 2 - 1
    expected = wide(plane)
    narrow.load_state_dict(narrowed(wide, narrow))
    torch.testing.assert_close(narrow.eval()(plane), expected, atol=1e-5, rtol=1e-4)
    assert expected.std() > 0.01


def silence(wide: nn.Module, narrow: nn.Module) -> None:
    """Kernels of 0 in surplus channels, which then hold a constant 0 behind norm and ReLU."""
    norm_of: dict[str, str] = {}
    previous = ""
    for name, module in wide.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            norm_of[previous] = name
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            previous = name
    for name, module in wide.named_modules():
        if not isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            continue
        count = module.out_channels - narrow.get_submodule(name).out_channels
        dead = torch.randperm(module.out_channels)[:count]
        with torch.no_grad():
            if isinstance(module, nn.ConvTranspose2d):
                module.weight[:, dead] = 0
            else:
                module.weight[dead] = 0
            if module.bias is not None:
                module.bias[dead] = 0
            if name in norm_of:
                norm = wide.get_submodule(norm_of[name])
                norm.bias[dead], norm.running_mean[dead] = 0, 0


def test_importance_counts_the_norm_behind() -> None:
    """A kernel of twice the size behind a BatchNorm that halves it twice is the smaller one."""

    class Net(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, width, 1, bias=False), nn.BatchNorm2d(width)

        def forward(self, plane: Tensor) -> Tensor:
            return self.norm(self.conv(plane))

    wide = Net(2)
    with torch.no_grad():
        wide.conv.weight.copy_(torch.tensor([2.0, 1.0]).view(2, 1, 1, 1))
        wide.norm.running_var.copy_(torch.tensor([16.0, 1.0]))
    assert narrowed(wide, Net(1))["conv.weight"].item() == 1.0


def test_the_smallest_weights_of_all_kernels_become_zero() -> None:
    torch.manual_seed(0)
    network = unet(4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pruned = sparsified(network, 0.6)
    kernels = [p.detach() for p in pruned.parameters() if p.ndim > 1]
    zeros = sum(int((k == 0).sum()) for k in kernels) / sum(k.numel() for k in kernels)
    assert zeros == pytest.approx(0.6, abs=1e-3)
    assert pruned.state_dict().keys() == before.keys()
    kept, lost = [], []
    for name, value in pruned.state_dict().items():
        if value.ndim > 1:
            kept.append(before[name][value != 0].abs())
            lost.append(before[name][value == 0].abs())
            assert torch.equal(value[value != 0], before[name][value != 0])
        else:
            assert torch.equal(value, before[name])
    assert torch.cat(kept).min() >= torch.cat(lost).max()
    assert all(torch.equal(v, before[name]) for name, v in network.state_dict().items())


def test_what_cannot_be_pruned_says_why() -> None:
    with pytest.raises(UserError, match="sparsity 1: must be"):
        sparsified(unet(4), 1.0)
    with pytest.raises(UserError, match="cocolor has no width"):
        with_width(CoColor.Config(), 0.5)
    with pytest.raises(UserError, match="channels 1 of width 64"):
        with_width(Pix2Pix.Config(), 1.0)
    grouped = (UNetGenerator(1, 2, width, 2, "group") for width in (8, 4))
    with pytest.raises(UserError, match="has GroupNorm; U-Nets"):
        narrowed(*grouped)

    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1)

        def forward(self, plane: Tensor) -> Tensor:
            return self.conv(plane) + plane

    with pytest.raises(UserError, match="a sum of two maps"):
        narrowed(Sum(), Sum())


def test_the_width_is_even_and_the_rest_stays() -> None:
    assert with_width(UNet.Config(width=10, levels=3), 0.5) == UNet.Config(width=4, levels=3)
    config = EncoderUNet.Config(width=24, encoder_weights="none")
    assert with_width(config, 0.75).width == 18
