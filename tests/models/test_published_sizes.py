"""Parameter counts and output shapes against the papers and the released networks."""

from __future__ import annotations

import pytest
import torch
from crosschroma.models.inception_unet import InceptionUNet
from crosschroma.models.instance_aware.method import InstanceAware
from crosschroma.models.nogan.method import NoGan
from crosschroma.models.pix2pix import Pix2Pix
from crosschroma.models.unet import UNet
from crosschroma.models.zhang16.method import Zhang16
from crosschroma.models.zhang17.method import Zhang17

# config, network, trainable parameters
SIZES = [
    (Pix2Pix.Config(domain="gray"), "generator", 54_409_858),
    (Pix2Pix.Config(domain="gray"), "discriminator", 2_765_633),
    (UNet.Config(domain="gray"), "generator", 31_036_546),
    # Inception-ResNet v2 without its classifier, of one plane, and the decoder's 8,646,178
    (InceptionUNet.Config(), "generator", 54_305_888 + 8_646_178),
    (Zhang16.Config(), "generator", 32_235_385),
    (Zhang17.Config(), "generator", 34_187_027),
    # Zhang17 without its classes, twice; the weights of the maps, and colours of their own
    (InstanceAware.Config(), "generator", 34_187_027 - 135_953),
    (InstanceAware.Config(), "instance", 34_187_027 - 135_953),
    (InstanceAware.Config(), "fusion", 1_078_266 + 147_842),
    (NoGan.Config(encoder="resnet18"), "discriminator", 94_555_649),
]


@pytest.mark.parametrize(("config", "network", "parameters"), SIZES)
def test_parameters(config, network: str, parameters: int) -> None:
    with torch.device("meta"):
        assert config.build().parameter_counts()[network] == parameters


@pytest.mark.parametrize(
    ("kind", "logits_side", "field"), [("patch70", 30, 70), ("patch94", 16, 94)]
)
def test_field_and_logits_of_the_discriminators(kind: str, logits_side: int, field: int) -> None:
    config = Pix2Pix.Config(domain="gray", discriminator=kind, discriminator_width=8)  # pyright: ignore
    method = config.build()
    method.discriminator.eval()
    given = torch.zeros(1, 1, 256, 256, requires_grad=True)
    logits = method.discriminator(given, torch.zeros(1, 2, 256, 256))
    assert logits.shape == (1, 1, logits_side, logits_side)
    logits[0, 0, logits_side // 2, logits_side // 2].backward()
    assert given.grad is not None
    rows = given.grad[0, 0].abs().sum(1).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == field


def test_pix2pix_drops_out_in_three_decoder_levels() -> None:
    method = Pix2Pix.Config(width=8).build()
    dropouts = [m for m in method.generator.modules() if isinstance(m, torch.nn.Dropout)]
    assert len(dropouts) == 3
