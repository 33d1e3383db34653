"""The decoder on Inception-ResNet v2 and what can be added to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.errors import UserError
from crosschroma.models.base.extra_losses import ExtraLosses
from crosschroma.models.inception_unet import ConvDecoderNetwork, InceptionUNet

SMALL = InceptionUNet.Config().smoke()


def batch(height: int = 48, width: int = 80) -> Batch:
    rgb = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    return Batch(key=["a", "b"], rgb=rgb, gray=rgb.mean(1, keepdim=True))


@pytest.mark.parametrize("skips", [False, True])
def test_400_pixels_through_inception_resnet(skips: bool) -> None:
    """11 x 11 places of 1536 channels, five doublings, and the size of the input at the end."""
    sizes = []
    with torch.device("meta"):
        widths = (512, 256, 128, 64, 32)
        network = ConvDecoderNetwork("inception_resnet_v2", 2, widths, skips, attention=False)
        for block in network.blocks:
            block.register_forward_hook(lambda _m, given, _o: sizes.append(given[0].shape[1:]))
        assert network(torch.zeros(1, 1, 400, 400)).shape == (1, 2, 400, 400)
    if skips:
        wanted = [
            (1536, 11, 11), (512 + 1088, 23, 23), (256 + 320, 47, 47), (128 + 192, 96, 96),
            (64 + 64, 197, 197),
        ]  # fmt: skip
    else:
        wanted = [(1536, 11, 11), (512, 22, 22), (256, 44, 44), (128, 88, 88), (64, 176, 176)]
    assert [tuple(size) for size in sizes] == wanted


def test_it_sees_its_own_size_and_paints_the_images() -> None:
    method = SMALL.build().eval()
    seen = []
    method.generator.register_forward_pre_hook(lambda _m, given: seen.append(given[0].shape))
    output = method.predict(batch())
    assert seen == [(2, 1, 64, 64)]
    assert output.shape == (2, 2, 48, 80)
    assert method.colorize(batch()).shape == (2, 3, 48, 80)


@pytest.mark.parametrize("skips", [False, True])
def test_it_trains_under_autocast(skips: bool) -> None:
    """A CPU resizes no bfloat16 with antialiasing, and 50 pixels are no multiple of a stride."""
    method = replace(SMALL, size=50, skips=skips).build()
    with torch.autocast("cpu", torch.bfloat16):
        output = method.predict(batch())
    assert output.shape == (2, 2, 48, 80)
    output.float().square().mean().backward()
    assert all(p.grad is not None for p in method.generator.parameters())


def test_the_default_is_the_seeds_regression() -> None:
    method = SMALL.build()
    terms = method.content(method.predict(batch()), batch())
    assert {name: term.weight for name, term in terms.items()} == {"mse": 1.0}
    assert list(method.networks()) == ["generator"]
    assert list(method.optimizers()) == ["generator"]


def test_the_wish_list() -> None:
    wishes = replace(
        SMALL, skips=True, attention=True, weight_adv=1.0, weight_l1=10.0,
        extra=ExtraLosses(ssim=0.5),
    )  # fmt: skip
    method = wishes.build()
    terms = method.content(method.predict(batch(64, 64)), batch(64, 64))
    assert {name: term.weight for name, term in terms.items()} == {"l1": 10.0, "ssim": 0.5}
    assert list(method.optimizers()) == ["generator", "discriminator"]
    plain = SMALL.build().parameter_counts()["generator"]
    assert method.parameter_counts()["generator"] > plain


def test_widths_that_do_not_fit() -> None:
    with pytest.raises(UserError, match=r"6 decoder blocks on test_efficientnet: name 1 to 5"):
        replace(SMALL, skips=True, widths=(8,) * 6).build()
    with pytest.raises(UserError, match="0 decoder blocks"):
        replace(SMALL, widths=()).build()
