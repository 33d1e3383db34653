"""Instance-aware colorization in the engine: stopped between its stages and within them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from crosschroma.datasets.errors import UserError
from crosschroma.datasets.scenes import Scenes, SceneSource
from crosschroma.datasets.transforms import EvalView, TrainView
from crosschroma.experiments import checkpoint
from crosschroma.experiments.engine import fit
from crosschroma.experiments.evaluate import evaluate
from crosschroma.experiments.experiment import Experiment, Hardware, Training
from crosschroma.models.instance_aware import InstanceAware, Stage

ALONE = Hardware(accelerator="cpu", workers=0)
STAGES = tuple(Stage(name=name, steps=2, lr=1e-3) for name in ("full", "instance", "fusion"))
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


class PowerCutError(Exception):
    pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped; nothing may change it."""
    run = tmp_path_factory.mktemp("staged") / "whole"
    fit(STAGED, run, ALONE)
    return run


def test_resumed_is_bit_identical(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut between the second stage and the third, and amid that."""
    save, run, cuts = checkpoint.save, tmp_path / "cut", [4, 5]

    def cut(path: Path, state: dict) -> None:
        save(path, state)
        if state["step"] in cuts:
            cuts.remove(state["step"])
            raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", cut)
        while cuts:
            with pytest.raises(PowerCutError):
                fit(STAGED, run, ALONE, resume=True)
            torch.rand(7)  # whatever ran in between must not matter
    fit(STAGED, run, ALONE, resume=True)
    one, two = (checkpoint.load(folder / checkpoint.LAST) for folder in (whole, run))
    for part in ("networks", "average"):
        for network, weights in one[part].items():
            for name, value in weights.items():
                assert torch.equal(value, two[part][network][name]), f"{part}.{network}.{name}"


def test_a_trained_run_uses_the_boxes_that_the_data_has(whole: Path) -> None:
    system = checkpoint.load_trained(whole, "last").system
    seen = []
    system.get_submodule("instance").register_forward_pre_hook(lambda m, x: seen.append(len(x[0])))
    source = STAGED.data.split("test")
    evaluate(system.colorize, source, STAGED.eval_view, metrics=("PSNR",))
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
