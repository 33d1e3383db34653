"""bfloat16: near float32, for what is asked, and float32 again where it is not near."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.inference import precision
from crosschroma.experiments.inference.color_network import MethodColors
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.inference.exported_file import ExportedColors
from crosschroma.experiments.inference.precision import MIN_DB, Bfloat16Colors, compiled
from crosschroma.models.color.hint_points import points_to_hints
from crosschroma.models.pix2pix import Pix2Pix
from crosschroma.models.unet import UNet
from crosschroma.models.zhang17.method import Zhang17
from PIL import Image


def unet() -> MethodColors:
    torch.manual_seed(0)
    return MethodColors(UNet.Config(domain="gray", width=8, levels=3).build()).eval()


def silent(text: str) -> None:
    raise AssertionError(text)


def decibels(found: torch.Tensor, true: torch.Tensor) -> float:
    return 20 * np.log10(220) - 10 * np.log10(float((found - true).square().mean()))


@torch.no_grad()
def test_every_size_is_near_float32_and_computed_in_bfloat16() -> None:
    colors = unet()
    quick = Bfloat16Colors(colors, tell=silent)
    seen = []
    for size in (64, 72):
        plane = torch.rand(1, 1, size, size + 8)
        found = quick(plane)
        assert found.dtype == torch.float32
        assert decibels(found, colors(plane)) > MIN_DB
        seen.append(torch.equal(found, found.bfloat16().float()))
    assert seen == [True, True]
    assert all(weight.dtype == torch.float32 for weight in colors.parameters())


@torch.no_grad()
def test_hints_and_none_take_one_way() -> None:
    torch.manual_seed(0)
    colors = MethodColors(Zhang17.Config(width=8).build()).eval()
    quick = Bfloat16Colors(colors, tell=silent)
    plane, hints = torch.rand(1, 1, 64, 64), points_to_hints([], 64, 64)
    hints[:, 0, 20:40] = 0.5
    hints[:, 2, 20:40] = 1.0
    assert torch.equal(quick(plane), quick(plane, torch.zeros_like(hints)))
    marked = quick(plane, hints)
    assert decibels(marked, colors(plane, hints)) > MIN_DB
    assert len(quick._ways) == 1


@torch.no_grad()
def test_what_is_not_near_stays_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    colors, told = unet(), []
    monkeypatch.setattr(precision, "MIN_DB", 200.0)
    quick = Bfloat16Colors(colors, tell=told.append)
    plane = torch.rand(1, 1, 64, 64)
    assert torch.equal(quick(plane), colors(plane))
    assert torch.equal(quick(plane.flip(-1)), colors(plane.flip(-1)))
    assert len(told) == 1
    assert "unet stays in float32: in bfloat16 its colours are" in told[0]


@torch.no_grad()
def test_where_all_in_bfloat16_is_not_near_convolutions_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    coarse = precision.in_bfloat16
    monkeypatch.setattr(
        precision, "in_bfloat16", lambda *given: lambda plane, *_: coarse(*given)(plane) + 40
    )
    colors = unet()
    plane = torch.rand(1, 1, 64, 64)
    found = Bfloat16Colors(colors, tell=silent)(plane)
    assert not torch.equal(found, colors(plane))
    assert decibels(found, colors(plane)) > MIN_DB


@torch.no_grad()
def test_a_compiler_that_fails_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no compiler\nhere")

    monkeypatch.setattr(precision, "compiled", fails)
    colors, told = unet(), []
    plane = torch.rand(1, 1, 64, 64)
    found = Bfloat16Colors(colors, True, told.append)(plane)
    assert not torch.equal(found, colors(plane))
    assert decibels(found, colors(plane)) > MIN_DB
    assert told == ["unet is not compiled: no compiler here"]


@torch.no_grad()
def test_few_sizes_are_compiled_and_the_others_not(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    eager = precision.in_bfloat16
    monkeypatch.setattr(
        precision, "compiled", lambda colors, *given: sizes.append(given[0].shape[-1]) or colors
    )
    monkeypatch.setattr(
        precision, "in_bfloat16", lambda *given: sizes.append("eager") or eager(*given)
    )
    quick = Bfloat16Colors(unet(), True, silent)
    for size in (32, 40, 32, 48, 56, 64, 72, 32):
        quick(torch.rand(1, 1, 32, size))
    assert sizes == [32, 40, 48, 56, "eager"]


@pytest.mark.slow
@torch.no_grad()
def test_compiled_weights_are_laid_out_for_the_cpu() -> None:
    """Not so where ``freezing`` is an option of ``torch.compile``: then convolutions are ATen's."""
    torch.manual_seed(0)
    method = Pix2Pix.Config(domain="gray", width=8, levels=3, discriminator_width=4).build()
    colors = MethodColors(method).eval()
    plane = torch.rand(1, 1, 64, 64)
    way = compiled(colors, plane)
    with torch.profiler.profile() as profile:
        found = way(plane)
    ran = {event.key for event in profile.key_averages()}
    assert "mkldnn::_convolution_pointwise" in ran
    assert "mkldnn::_convolution_transpose_pointwise" in ran
    assert decibels(found, colors(plane)) > 40


def test_a_colorizer_in_another_precision_is_another_one() -> None:
    method = UNet.Config(domain="gray", width=8, levels=3).build()
    exact = Colorizer(method, 64)
    levels = np.random.default_rng(0).integers(0, 256, (90, 80), np.uint8)
    before = exact(levels)
    quick = exact.at("bfloat16", silent)
    near = quick(levels)
    assert not np.array_equal(near, before)
    assert np.abs(near.astype(int) - before).max() <= 3
    assert np.array_equal(exact(levels), before)
    assert np.array_equal(quick.at("float32")(levels), before)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="use --device cpu, or bfloat16 alone"):
        Bfloat16Colors(unet().to("meta"), True)
    exported = Colorizer.__new__(Colorizer)
    exported.colors, exported.name = ExportedColors.__new__(ExportedColors), "unet"
    with pytest.raises(UserError, match="unet is exported and computes as it was exported"):
        exported.at("bfloat16")


def test_the_command(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (90, 80), np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png")
    results = []
    for name in ("float32", "bfloat16"):
        out = tmp_path / f"{name}.png"
        asked = ["colorize", str(tmp_path / "a.png"), "--out", str(out), "--precision", name]
        assert cli.run(asked) == 0
        results.append(np.array(Image.open(out)).astype(int))
    assert not np.array_equal(*results)
    assert np.abs(results[0] - results[1]).mean() < 1
