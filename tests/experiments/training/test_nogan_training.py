"""NoGAN in the engine: stopped between its phases and within them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from crosschroma.datasets.loading.views import EvalView, TrainView
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.experiments.experiment import Experiment, Training
from crosschroma.experiments.training.engine import fit
from crosschroma.models.nogan.method import NoGan, Phase
from interrupted import ALONE, assert_same, fit_with_cuts, state_of

PHASES = tuple(
    Phase(name=name, steps=steps, lr=1e-3, size=size)
    for name, steps, size in (("generator", 1, 32), ("critic", 1, 64), ("gan", 4, 64))
)


def test_resumed_is_bit_identical(tmp_path: Path) -> None:
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
    fit_with_cuts(experiment, tmp_path / "cut", [1, 3])
    one, two = (state_of(tmp_path / name) for name in ("whole", "cut"))
    assert_same(one, two)
    # the generator had the steps 3 and 5, the critic 2 and 4
    for name, count in {"pretrain": 1, "critic": 1, "generator": 2, "discriminator": 2}.items():
        assert {int(s["step"]) for s in two["optimizers"][name]["state"].values()} == {count}
