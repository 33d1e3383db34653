"""Parameter counts and output shapes against the papers and the released networks."""

from __future__ import annotations

import pytest
import torch
from crosschroma.models.pix2pix import Pix2Pix
from crosschroma.models.unet import UNet
from crosschroma.models.zhang16 import Zhang16
from crosschroma.models.zhang17 import Zhang17

# config, network, trainable parameters
SIZES = [
    (Pix2Pix.Config(domain="gray"), "generator", 54_409_858),
    (Pix2Pix.Config(domain="gray"), "discriminator", 2_765_633),
    (UNet.Config(domain="gray"), "generator", 31_036_546),
    (Zhang16.Config(), "generator", 32_235_385),
    (Zhang17.Config(), "generator", 34_187_027),
]


@pytest.mark.parametrize(("config", "network", "parameters"), SIZES)
def test_parameters(config, network: str, parameters: int) -> None:
    with torch.device("meta"):
        assert config.build().parameter_counts()[network] == parameters


def test_patchgan_sees_70_pixels_and_gives_30x30_logits() -> None:
    system = Pix2Pix.Config(domain="gray", discriminator_width=8).build()
    system.discriminator.eval()
    given = torch.zeros(1, 1, 256, 256, requires_grad=True)
    logits = system.discriminator(given, torch.zeros(1, 2, 256, 256))
    assert logits.shape == (1, 1, 30, 30)
    logits[0, 0, 15, 15].backward()
    assert given.grad is not None
    rows = given.grad[0, 0].abs().sum(1).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == 70


def test_pix2pix_drops_out_in_three_decoder_levels() -> None:
    system = Pix2Pix.Config(width=8).build()
    dropouts = [m for m in system.generator.modules() if isinstance(m, torch.nn.Dropout)]
    assert len(dropouts) == 3
