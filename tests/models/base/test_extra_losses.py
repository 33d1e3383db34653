"""The terms that any method can have beside its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.color import lab_to_rgb, rgb_to_lab
from crosschroma.datasets.base.errors import UserError
from crosschroma.losses.colorfulness import colorfulness_loss
from crosschroma.losses.structural import angular_loss, ms_ssim_loss, ssim_loss, total_variation
from crosschroma.losses.terms import total
from crosschroma.models.base.extra_losses import ExtraLosses, ExtraTerms
from crosschroma.models.encoder_unet import EncoderUNet
from crosschroma.models.pix2pix import Pix2Pix
from crosschroma.models.unet import UNet
from torch import Tensor


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 4, 4, generator=generator)
    rgb = torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear")
    gray = rgb_to_lab(rgb)[:, :1] / 100
    return Batch(key=["a", "b"], rgb=rgb, gray=gray, nir=gray)


@pytest.fixture
def output(batch: Batch) -> Tensor:
    """Nearly gray: all of it within the gamut."""
    return 0.3 * rgb_to_lab(batch["rgb"])[:, 1:] / 110


def test_terms_are_of_the_coloured_images(batch: Batch, output: Tensor) -> None:
    weights = ExtraLosses(
        mse=1.0, huber=2.0, huber_delta=0.1, ssim=3.0, ms_ssim=4.0, angle=5.0, total_variation=6.0,
        colorfulness=7.0,
    )  # fmt: skip
    terms = ExtraTerms(weights)("gray", output, batch)
    rgb, target = batch["rgb"], rgb_to_lab(batch["rgb"])[:, 1:] / 110
    rgb_hat = lab_to_rgb(torch.cat([100 * batch["gray"], 110 * output], 1))
    wanted = {
        "mse": (output - target).square().mean(),
        "huber": torch.nn.functional.huber_loss(output, target, delta=0.1),
        "ssim": ssim_loss(rgb_hat, rgb),
        "ms_ssim": ms_ssim_loss(rgb_hat, rgb),
        "angle": angular_loss(rgb_hat, rgb),
        "total_variation": total_variation(rgb_hat),
        "colorfulness": colorfulness_loss(rgb_hat),
    }
    assert list(terms) == list(wanted)
    assert [term.weight for term in terms.values()] == [1, 2, 3, 4, 5, 6, 7]
    for name, term in terms.items():
        torch.testing.assert_close(term.value, wanted[name], rtol=1e-3, atol=1e-6)


def test_nothing_is_computed_without_a_weight(batch: Batch, output: Tensor, monkeypatch) -> None:
    from crosschroma.models.base import extra_losses

    monkeypatch.setattr(extra_losses, "output_to_rgb", pytest.fail)
    assert ExtraTerms(ExtraLosses())("gray", output, batch) == {}
    assert list(ExtraTerms(ExtraLosses(mse=1.0))("gray", output, batch)) == ["mse"]


def test_pixels_that_do_not_count(batch: Batch, output: Tensor) -> None:
    valid = torch.zeros(2, 1, 32, 32)
    valid[..., :16] = 1
    batch["valid"] = valid
    terms = ExtraTerms(ExtraLosses(mse=1.0, angle=1.0))
    clean = {name: term.value for name, term in terms("gray", output, batch).items()}
    spoilt = torch.where(valid > 0, output, torch.full_like(output, -0.9))
    for name, term in terms("gray", spoilt, batch).items():
        torch.testing.assert_close(term.value, clean[name], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("cls", [UNet, Pix2Pix, EncoderUNet])
@pytest.mark.parametrize("domain", ["gray", "nir"])
def test_a_perceptual_loss_beside_a_methods_own(
    cls: type, domain: str, batch: Batch, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Built without the weights, loaded where training starts; its gradient reaches the output."""
    monkeypatch.setenv("CROSSCHROMA_DATA", str(shared_data))
    extra = ExtraLosses(perceptual=0.5, backbone="squeezenet1_0", layers=(("conv1", 1.0),))
    config = replace(cls.Config(domain=domain).smoke(), extra=extra)
    assert "loss on squeezenet1_0: imagenet" in config.learnt_from
    torch.manual_seed(0)
    method = config.build()
    own = {id(p) for network in method.networks().values() for p in network.parameters()}
    assert {id(p) for p in method.parameters()} == own
    method.eval().colorize(batch)
    with pytest.raises(UserError, match=r"call load\(\)"):
        terms_of(method, batch)
    assert "perceptual loss on squeezenet1_0" in method.load_losses()
    terms = terms_of(method, batch)
    name = next(name for name in terms if name.endswith("perceptual"))
    assert terms[name].weight == 0.5
    terms[name].value.backward()
    reached = [p.grad is not None and p.grad.any() for p in method.generator.parameters()]
    assert sum(reached) > len(reached) / 2
    assert total(terms_of(method, batch), 0).isfinite()


def terms_of(method, batch: Batch):
    if isinstance(method, Pix2Pix):
        return method.content(method.predict(batch), batch)
    return method.losses(batch)


def test_a_negative_weight_is_named() -> None:
    with pytest.raises(UserError, match=r"--method.extra.total-variation -1.0: must not"):
        ExtraLosses(total_variation=-1.0)
