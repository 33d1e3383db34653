"""A run whose loss looks through a trained network: loaded at the start and at every resumption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.artifacts import checkpoint
from crosschroma.experiments.experiment import Experiment
from crosschroma.experiments.settings import from_plain
from crosschroma.experiments.training.engine import fit
from crosschroma.losses.pretrained.squeezenet import SqueezeNet
from crosschroma.models.base.extra_losses import ExtraLosses
from interrupted import ALONE, assert_same, fit_with_cuts, state_of


@pytest.fixture
def perceptual(pix2pix: Experiment, shared_data: Path, monkeypatch) -> Experiment:
    monkeypatch.setenv("CROSSCHROMA_DATA", str(shared_data))
    extra = ExtraLosses(perceptual=0.1, backbone="squeezenet1_0", layers=(("conv1", 1.0),))
    return replace(pix2pix, method=replace(pix2pix.method, extra=extra))  # pyright: ignore


def test_resumed_is_bit_identical_and_nothing_of_it_is_saved(
    perceptual: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    fit(perceptual, tmp_path / "whole", ALONE)
    assert "perceptual loss on squeezenet1_0: ImageNet weights" in capsys.readouterr().out
    fit_with_cuts(perceptual, tmp_path / "cut", [3])
    state = state_of(tmp_path / "whole")
    assert state["step"] == 6
    assert_same(state, state_of(tmp_path / "cut"))

    shapes = {tuple(p.shape) for p in SqueezeNet(3).parameters() if p.dim() == 4}
    saved = {tuple(x.shape) for net in state["networks"].values() for x in net.values()}
    assert not shapes & saved
    monkeypatch.setenv("CROSSCHROMA_DATA", str(tmp_path))  # evaluation asks for no weights
    method = from_plain(state["experiment"], Experiment).method.build()
    method.generator.load_state_dict(state["networks"]["generator"])
    gray = torch.rand(1, 1, 32, 32)
    assert method.eval().colorize({"key": ["a"], "gray": gray}).isfinite().all()


def test_without_its_weights_a_run_does_not_start(
    perceptual: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSCHROMA_DATA", str(tmp_path))
    with pytest.raises(UserError, match="no SqueezeNet weights at"):
        fit(perceptual, tmp_path / "run", ALONE)
    assert not (tmp_path / "run" / checkpoint.LAST).exists()


def test_a_run_from_before_a_setting_was_there_goes_on(pix2pix: Experiment, tmp_path: Path) -> None:
    """What an older checkpoint does not name has its default."""
    short = replace(pix2pix, training=replace(pix2pix.training, schedule="constant", steps=3))
    fit(short, tmp_path, ALONE)
    state = checkpoint.load_checkpoint(tmp_path / checkpoint.LAST)
    del state["experiment"]["method"]["extra"]
    checkpoint.save_checkpoint(tmp_path / checkpoint.LAST, state)
    longer = replace(short, training=replace(short.training, steps=4))
    fit(longer, tmp_path, ALONE, resume=True)
    assert checkpoint.load_checkpoint(tmp_path / checkpoint.LAST)["step"] == 4
    extra = ExtraLosses(mse=1.0)
    other = replace(longer, method=replace(longer.method, extra=extra))  # pyright: ignore
    with pytest.raises(UserError, match="extra"):
        fit(other, tmp_path, ALONE, resume=True)
