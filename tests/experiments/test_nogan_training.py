"""NoGAN in the engine: stopped between its phases and within them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from crosschroma.datasets.scenes import Scenes
from crosschroma.datasets.transforms import EvalView, TrainView
from crosschroma.experiments import checkpoint
from crosschroma.experiments.engine import fit
from crosschroma.experiments.experiment import Experiment, Hardware, Training
from crosschroma.models.nogan import NoGan, Phase

ALONE = Hardware(accelerator="cpu", workers=0)
PHASES = tuple(
    Phase(name=name, steps=steps, lr=1e-3, size=size)
    for name, steps, size in (("generator", 1, 32), ("critic", 1, 64), ("gan", 4, 64))
)


class PowerCutError(Exception):
    pass


def test_resumed_is_bit_identical(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut before the critic's phase, and when the GAN's has given the turn to the generator."""
    experiment = Experiment(
        name="nogan",
        # the critic always succeeds, so that they take turns
        method=replace(
            NoGan.Config().smoke(), phases=PHASES, critic_width=4, attention=False, threshold=1e6
        ),
        data=Scenes(size=64, count_train=4, count_validation=1, count_test=1),
        train_view=TrainView(size=64),
        eval_view=EvalView(size=32),
        training=Training(steps=6, batch_size=2, validate_every=0, checkpoint_every=1, grid=0),
    )
    fit(experiment, tmp_path / "whole", ALONE)
    save, run, cuts = checkpoint.save, tmp_path / "cut", [1, 3]

    def cut(path: Path, state: dict) -> None:
        save(path, state)
        if state["step"] in cuts:
            cuts.remove(state["step"])
            raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", cut)
        while cuts:
            with pytest.raises(PowerCutError):
                fit(experiment, run, ALONE, resume=True)
            torch.rand(7)  # whatever ran in between must not matter
    fit(experiment, run, ALONE, resume=True)
    one, two = (checkpoint.load(tmp_path / name / checkpoint.LAST) for name in ("whole", "cut"))
    for network, weights in one["networks"].items():
        for name, value in weights.items():
            assert torch.equal(value, two["networks"][network][name]), f"{network}.{name}"
    # the generator had the steps 3 and 5, the critic 2 and 4
    for name, count in {"pretrain": 1, "critic": 1, "generator": 2, "discriminator": 2}.items():
        assert {int(s["step"]) for s in two["optimizers"][name]["state"].values()} == {count}
