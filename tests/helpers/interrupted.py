"""Trainings that are cut off and go on, for tests that they end as if nothing had happened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from crosschroma.experiments.artifacts import checkpoint
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.training.engine import fit

ALONE = Hardware(accelerator="cpu", workers=0)


class PowerCutError(Exception):
    """What ends a training here."""


def fit_with_cuts(experiment: Experiment, run: Path, steps: Sequence[int]) -> None:
    """Train into ``run``, cut off right after the checkpoints of ``steps``, and go on each time."""
    save, cuts = checkpoint.save_checkpoint, list(steps)

    def cut(path: Path, state: dict, keep: Path | None = None) -> None:
        save(path, state, keep)
        if path.name == checkpoint.LAST and state["step"] in cuts:
            cuts.remove(state["step"])
            raise PowerCutError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save_checkpoint", cut)
        for _ in steps:
            with pytest.raises(PowerCutError):
                fit(experiment, run, ALONE, resume=True)
            torch.rand(7)  # whatever ran in between must not matter
    assert not cuts, f"no checkpoint at {cuts}"
    fit(experiment, run, ALONE, resume=True)


def state_of(run: Path) -> dict:
    """The last checkpoint without what a clock wrote."""
    state = checkpoint.load_checkpoint(run / checkpoint.LAST)
    del state["train_s"], state["starts"]
    return state


def assert_same(one: object, other: object, where: str = "") -> None:
    """Bit for bit, through nested containers."""
    if isinstance(one, dict):
        assert isinstance(other, dict), where
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        assert isinstance(other, (list, tuple)), where
        assert len(one) == len(other), where
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{index}]")
    elif isinstance(one, torch.Tensor):
        assert isinstance(other, torch.Tensor), where
        assert torch.equal(one, other), where
    else:
        assert one == other, where
