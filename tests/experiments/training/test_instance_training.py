"""Instance-aware colorization in the engine: stopped between its stages and within them."""

from __future__ import annotations

from pathlib import Path

import pytest
from crosschroma.datasets.base.errors import UserError
from crosschroma.datasets.loading.views import EvalView, TrainView
from crosschroma.datasets.scenes.adapter import Scenes, SceneSource
from crosschroma.experiments.artifacts import checkpoint
from crosschroma.experiments.evaluation.evaluate import evaluate
from crosschroma.experiments.experiment import Experiment, Training
from crosschroma.experiments.training.engine import fit
from crosschroma.models.base.stages import RatedStage
from crosschroma.models.instance_aware.method import InstanceAware
from interrupted import ALONE, assert_same, fit_with_cuts, state_of

STAGES = tuple(RatedStage(name=name, steps=2, lr=1e-3) for name in ("full", "instance", "fusion"))
STAGED = Experiment(
    name="staged",
    method=InstanceAware.Config(width=4, crop_size=16, stages=STAGES),
    data=Scenes(size=32, count_train=4, count_validation=1, count_test=4),
    train_view=TrainView(size=32),
    eval_view=EvalView(size=32),
    training=Training(
        steps=6, batch_size=2, ema_decay=0.9, validate_every=0, checkpoint_every=1, grid=0
    ),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped; nothing may change it."""
    run = tmp_path_factory.mktemp("staged") / "whole"
    fit(STAGED, run, ALONE)
    return run


def test_resumed_is_bit_identical(whole: Path, tmp_path: Path) -> None:
    """Cut between the second stage and the third, and amid that."""
    fit_with_cuts(STAGED, tmp_path, [4, 5])
    assert_same(state_of(whole), state_of(tmp_path))


def test_a_trained_run_uses_the_boxes_that_the_data_has(whole: Path) -> None:
    method = checkpoint.load_trained(whole, "last").method
    seen = []
    method.get_submodule("instance").register_forward_pre_hook(lambda m, x: seen.append(len(x[0])))
    source = STAGED.data.split("test")
    evaluate(method.colorize, source, STAGED.eval_view, metrics=("PSNR",))
    boxes = [len(source.load(index)["boxes"]) for index in range(len(source))]
    assert seen
    assert seen == [count for count in boxes if count]


def test_data_without_boxes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def boxless(self, index: int):
        return {name: plane for name, plane in load(self, index).items() if name != "boxes"}

    load = SceneSource.load
    monkeypatch.setattr(SceneSource, "load", boxless)
    with pytest.raises(UserError, match="instance_aware needs boxes"):
        fit(STAGED, tmp_path / "run", ALONE)
