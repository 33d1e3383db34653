"""The U-Nets on encoders: fastai's channel plan, how a plane enters, both stages of training."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.errors import UserError
from crosschroma.losses.pretrained.torchvision_import import ensure_torchvision
from crosschroma.losses.terms import Terms
from crosschroma.models.base.generator import MultiScale
from crosschroma.models.layers.dynamic_unet import DynamicUNet
from crosschroma.models.resnet_unet_gan import ResnetUNetGan
from torch import Tensor, nn

SMALL = ResnetUNetGan.Config(domain="gray").smoke()


def plane(side: int = 64, count: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.rand(count, 1, side, side, generator=generator) - 1


def test_the_channels_on_resnet18_are_fastais() -> None:
    """Of the four blocks: up, skip, both convolutions; sizes for 256 pixels."""
    with torch.device("meta"):
        network = DynamicUNet("resnet18", 2, "summed", attention=True, blur=False)
        maps = network.encode(torch.zeros(1, 1, 256, 256))
    assert [tuple(x.shape[1:]) for x in maps] == [
        (1, 256, 256), (64, 128, 128), (64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8),
    ]  # fmt: skip
    plan = []
    for block in network.blocks:
        up, norm = block.get_submodule("up.conv"), block.get_submodule("norm")
        convs = [m for m in block.get_submodule("convs") if isinstance(m, nn.Conv2d)]  # pyright: ignore
        widths = (convs[0].in_channels, *(conv.out_channels for conv in convs))
        plan.append((up.in_channels, up.out_channels // 4, norm.num_features, *widths))  # pyright: ignore
    assert plan == [
        (512, 256, 256, 512, 512, 512),
        (512, 256, 128, 384, 384, 384),
        (384, 192, 64, 256, 256, 256),
        (256, 128, 64, 192, 96, 96),
    ]
    assert [type(block.convs[-1]).__name__ for block in network.blocks] == [  # pyright: ignore
        "Identity", "SelfAttention", "Identity", "Identity",
    ]  # fmt: skip
    assert (network.head.in_channels, network.head.out_channels) == (97, 2)
    assert network(torch.zeros(1, 1, 64, 96, device="meta")).shape == (1, 2, 64, 96)


def test_pixels_repeat_before_anything_is_learnt() -> None:
    """ICNR: each 2x2 cell that a PixelShuffle makes is one value."""
    network = DynamicUNet("test_efficientnet", 2, "summed", attention=False, blur=False)
    seen = []
    for block in network.blocks:
        block.up.register_forward_hook(lambda _m, _i, out: seen.append(out))  # pyright: ignore
    network.eval()(plane())
    assert len(seen) == 4
    for out in seen:
        cells = out.unfold(2, 2, 2).unfold(3, 2, 2)
        assert (cells.amax((-1, -2)) - cells.amin((-1, -2))).max() == 0
        assert out.std() > 0


def test_two_ways_into_a_network_of_rgb(tmp_path: Path) -> None:
    """With trained weights a plane gives the map of its three equal channels, either way."""
    ensure_torchvision()
    import timm

    torch.manual_seed(0)
    torch.save(timm.create_model("resnet10t").state_dict(), tmp_path / "weights.pth")
    maps = {}
    for first in ("summed", "learned"):
        config = replace(
            SMALL, encoder="resnet10t", encoder_weights=str(tmp_path / "weights.pth"),
            first_conv=first,
        )  # fmt: skip
        method = config.build().eval()
        assert "timm's resnet10t" in method.load_pretrained()
        maps[first] = method.generator.encode(plane())[1]  # pyright: ignore
        weight = method.generator.encoder.model.conv1[0].weight  # pyright: ignore
        assert weight.shape[1] == (1 if first == "summed" else 3)
    # the plane is normalised by the mean of ImageNet's channels, RGB by each of them
    error = (maps["summed"] - maps["learned"]).abs().mean()
    assert error < 0.2 * maps["learned"].abs().mean()
    assert config.learnt_from.startswith("encoder resnet10t: ")
    assert config.learnt_from.endswith("weights.pth")


def test_its_maps_can_be_changed_between_its_halves() -> None:
    generator = ResnetUNetGan(SMALL).generator.eval()
    assert isinstance(generator, MultiScale)
    maps = generator.encode(plane())
    assert maps[-1].shape[1] == generator.coarsest_channels
    assert torch.equal(generator.decode(maps), generator(plane()))  # pyright: ignore


@pytest.mark.parametrize(("attention", "blur"), [(True, False), (False, True)])
def test_options_change_the_colours(attention: bool, blur: bool) -> None:
    changed = replace(SMALL, attention=attention, blur=blur)
    torch.manual_seed(0)
    plain = SMALL.build().eval().generator(plane())
    torch.manual_seed(0)
    other = changed.build().eval()
    if attention:
        gains = [p for name, p in other.generator.named_parameters() if name.endswith("gain")]
        assert len(gains) == 1
        gains[0].data.fill_(1.0)
    assert (other.generator(plane()) - plain).abs().max() > 1e-4


class Recorder:
    """Notes which terms and optimisers a step asks for."""

    def __init__(self, method: ResnetUNetGan, index: int) -> None:
        self.index, self.method = index, method
        self.optimizers = method.optimizers()
        self.did: list[str] = []

    def backward(self, terms: Terms, optimizer: str) -> None:
        self.did.append(f"{optimizer}: {' '.join(terms)}")
        sum(term.weight * term.value for term in terms.values()).backward()  # pyright: ignore

    def update(self, optimizer: str) -> None:
        self.optimizers[optimizer].step()
        self.method.zero_grad()

    def frozen(self, *networks: str):
        return contextlib.nullcontext()


def test_l1_first_and_then_the_gan() -> None:
    torch.manual_seed(0)
    method = replace(SMALL, pretrain_steps=3).build()
    assert isinstance(method, ResnetUNetGan)
    rgb = torch.rand(2, 3, 64, 64)
    batch = Batch(key=["a", "b"], rgb=rgb, gray=rgb.mean(1, keepdim=True))
    before = {n: p.clone() for n, p in method.discriminator.named_parameters()}
    step = Recorder(method, 2)
    method.training_step(batch, step)
    assert step.did == ["pretrain: l1"]
    assert all(torch.equal(p, before[n]) for n, p in method.discriminator.named_parameters())
    step = Recorder(method, 3)
    method.training_step(batch, step)
    assert step.did == ["discriminator: adv_d", "generator: adv_g l1"]
    assert not any(torch.equal(p, before[n]) for n, p in method.discriminator.named_parameters())
    rates = {n: o.param_groups[0]["lr"] for n, o in step.optimizers.items()}
    assert rates == {"pretrain": 1e-4, "generator": 1e-3, "discriminator": 1e-3}


def test_learning_rates_take_their_course_in_each_stage() -> None:
    method = replace(SMALL, pretrain_steps=30).build()
    assert method.schedule_part(29, 100) == range(30)
    assert method.schedule_part(30, 100) == range(30, 100)
    assert method.schedule_part(5, 20) == range(20)


def test_what_is_refused() -> None:
    with pytest.raises(UserError, match=r"convnext_atto: its maps are at 1/4, 1/8.*every halving"):
        replace(SMALL, encoder="convnext_atto").build()
    with pytest.raises(UserError, match="pretrain-steps -1"):
        replace(SMALL, pretrain_steps=-1)
