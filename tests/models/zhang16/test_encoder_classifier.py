"""Classification of colour on a pretrained encoder: its network, its start, its edges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.color import AB_SCALE
from crosschroma.datasets.base.errors import UserError
from crosschroma.losses.rebalanced import rebalancing_weights
from crosschroma.models.base.weights import FORMAT
from crosschroma.models.color.ab_bins import BINS, ab_bins, annealed_mean
from crosschroma.models.encoder_unet import EncoderUNet
from crosschroma.models.unet import UNet
from crosschroma.models.zhang16.method import Zhang16

SMALL = Zhang16.Config(encoder="squeezenet1_0", encoder_weights="none", width=4, lr=1e-2)


def built(**settings: object) -> Zhang16:
    torch.manual_seed(0)
    return cast(Zhang16, replace(SMALL, **settings).build())  # pyright: ignore


def two_halves(dark: float = 0.3, light: float = 0.8) -> torch.Tensor:
    """1 x 1 x 32 x 32: a border that is in the middle of output pixels' cells."""
    gray = torch.full((1, 1, 32, 32), dark)
    gray[..., 18:] = light
    return gray


def test_logits_are_at_a_quarter_of_any_size() -> None:
    method = built().eval()
    plane = torch.zeros(2, 1, 48, 64)
    assert method.generator(plane).shape == (2, BINS, 12, 16)
    assert method.predict(Batch(gray=torch.rand(1, 1, 37, 50))).shape == (1, 2, 37, 50)


def test_the_encoder_learns_at_its_own_rate() -> None:
    groups = built(encoder_lr=0.25).optimizers()["generator"].param_groups
    assert [group["lr"] for group in groups] == [0.25 * 1e-2, 1e-2]
    count = sum(weight.numel() for group in groups for weight in group["params"])
    assert count == sum(weight.numel() for weight in built().generator.parameters())


def test_colours_follow_the_edges_of_lightness(monkeypatch: pytest.MonkeyPatch) -> None:
    method, gray = built(), two_halves()
    ab = torch.zeros(1, 2, 8, 8)
    ab[..., :4], ab[..., 5:] = -30.0, 30.0  # the cell between holds half of both
    bins = ab_bins()
    logits = -(ab[:, None] - bins.view(1, -1, 2, 1, 1)).square().sum(2)
    monkeypatch.setattr(method.generator, "forward", lambda _plane: logits)
    painted = AB_SCALE * method.predict(Batch(gray=gray))
    small = annealed_mean(logits, bins, method.config.temperature)  # pyright: ignore
    plain = torch.nn.functional.interpolate(small, scale_factor=4, mode="bilinear")
    side = torch.where(torch.arange(32) < 18, -30.0, 30.0)
    error, plain_error = ((colors - side).abs().mean() for colors in (painted, plain))
    assert error < 0.6 * plain_error


def test_the_mirror_image_joins_the_shares() -> None:
    gray = torch.rand(1, 1, 32, 64)
    alone, both = built().eval(), built(ensemble="flip").eval()
    with torch.no_grad():
        for method in (alone, both):
            method.generator.get_parameter("head.weight").mul_(100)  # not all bins alike
        painted = both.predict(Batch(gray=gray))
        mirrored = both.predict(Batch(gray=gray.flip(-1))).flip(-1)
        torch.testing.assert_close(painted, mirrored, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(painted, alone.predict(Batch(gray=gray)), atol=1e-3)


def test_adjusted_logits_are_those_of_training_without_weights() -> None:
    """A network that is right under the weighted loss says p w; adjusted it says p."""
    method = built(logit_adjustment=1.0, temperature=1.0)
    weights = rebalancing_weights(method.generator.get_buffer("prior"), method.config.uniform)  # pyright: ignore
    truth = torch.softmax(torch.randn(1, BINS, 2, 2), 1)
    weighted = (truth * weights.view(1, -1, 1, 1)).log() + 3
    shares = torch.softmax(method._adjusted(weighted), 1)
    torch.testing.assert_close(shares, truth)


def test_there_must_be_a_rebalancing_to_take_back() -> None:
    with pytest.raises(UserError, match=r"--method\.logit-adjustment .*--method\.loss is plain"):
        built(loss="plain", logit_adjustment=0.5)


def test_training_starts_from_the_encoder_of_another_method(tmp_path: Path) -> None:
    torch.manual_seed(1)
    config = EncoderUNet.Config(domain="gray", encoder_weights="none", width=8)
    other = cast(EncoderUNet, config.build()).generator
    path = tmp_path / "other" / "best.pt"
    path.parent.mkdir()
    torch.save({"format": FORMAT, "inference": {"generator": other.state_dict()}}, path)
    method = built(start=str(path))
    head = method.generator.get_parameter("head.weight").clone()
    assert f"encoder of {path}" in method.load_pretrained()
    theirs = other.get_submodule("encoder").state_dict()
    ours = method.generator.get_submodule("encoder").state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert torch.equal(method.generator.get_parameter("head.weight"), head)
    assert method.config.learnt_from == "encoder's run: other"  # pyright: ignore


def test_a_run_without_that_encoder_is_named(tmp_path: Path) -> None:
    network = cast(UNet, UNet.Config(domain="gray", width=4).build()).generator
    path = tmp_path / "best.pt"
    torch.save({"format": FORMAT, "inference": {"generator": network.state_dict()}}, path)
    with pytest.raises(UserError, match=r"--method\.start .*does not fit .*--method\.encoder"):
        built(start=str(path)).load_pretrained()


def test_what_it_learnt_from_names_encoder_and_run() -> None:
    config = replace(SMALL, encoder_weights="imagenet", start="hints_photos")
    assert config.learnt_from == "encoder squeezenet1_0: imagenet; encoder's run: hints_photos"
