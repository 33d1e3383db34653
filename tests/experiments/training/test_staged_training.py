"""A method with stages of its own learning rates in the engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from crosschroma.experiments.experiment import Experiment
from crosschroma.experiments.training.engine import fit
from crosschroma.models.zhang17.method import HintStage, Zhang17
from interrupted import ALONE, assert_same, fit_with_cuts, state_of


@pytest.fixture
def staged(unet: Experiment) -> Experiment:
    stages = (
        HintStage(name="classify", steps=2, lr=4e-3, hints=False),
        HintStage(name="regress", steps=2, lr=1e-3, hints=True),
        HintStage(name="regress", steps=1, lr=2e-4, hints=True),
    )
    method = Zhang17.Config(width=4, global_hints=True, stages=stages)
    training = replace(unet.training, validate_every=0, checkpoint_every=3)
    return replace(unet, name="staged", method=method, training=training)


def rates(run: Path) -> list[float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run))
    events.Reload()
    return [event.value for event in events.Scalars("lr/generator")]


def test_each_stage_has_its_rate_under_the_schedule(staged: Experiment, tmp_path: Path) -> None:
    fit(staged, tmp_path / "constant", ALONE)
    expected = [4e-3, 4e-3, 1e-3, 1e-3, 2e-4, 2e-4]
    assert rates(tmp_path / "constant") == pytest.approx(expected)
    cosine = replace(staged, training=replace(staged.training, schedule="cosine"))
    fit(cosine, tmp_path / "cosine", ALONE)
    assert rates(tmp_path / "cosine") == pytest.approx([4e-3, 2e-3, 1e-3, 5e-4, 2e-4, 1e-4])


def test_resumed_amid_a_stage_with_hints_is_bit_identical(
    staged: Experiment, tmp_path: Path
) -> None:
    fit(staged, tmp_path / "whole", ALONE)
    fit_with_cuts(staged, tmp_path / "cut", [3])
    whole = state_of(tmp_path / "whole")
    assert whole["networks"].keys() == {"generator", "global_network"}
    assert_same(whole, state_of(tmp_path / "cut"))
