"""Trainings that are measured by time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.artifacts import checkpoint
from crosschroma.experiments.artifacts.run_file import canonical_sha256
from crosschroma.experiments.evaluation.evaluate_run import evaluate_run
from crosschroma.experiments.experiment import Experiment, Training
from crosschroma.experiments.settings import from_plain, to_plain
from crosschroma.experiments.training import engine
from crosschroma.experiments.training.engine import fit
from crosschroma.models.base.stages import Stage
from crosschroma.models.zhang17.method import HintStage, Zhang17
from interrupted import ALONE, state_of

SECONDS = 10.0


def timed(experiment: Experiment, seconds: float = SECONDS) -> Experiment:
    training = replace(
        experiment.training, minutes=seconds / 60, schedule="cosine", warmup=0, validate_every=0
    )
    return replace(experiment, training=training)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock is a second after the last: a step takes one."""
    now = [0.0]

    def tick() -> float:
        now[0] += 1.0
        return now[0]

    monkeypatch.setattr(engine.time, "monotonic", tick)


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Learning rates of the steps."""
    seen: list[float] = []
    step = engine.Run._step

    def noted(self, batches):
        scalars = step(self, batches)
        seen.extend(self._rates().values())
        return scalars

    monkeypatch.setattr(engine.Run, "_step", noted)
    return seen


@pytest.mark.usefixtures("clock")
def test_time_ends_a_run_and_moves_its_schedule(
    unet: Experiment, rates: list[float], tmp_path: Path
) -> None:
    fit(timed(unet), tmp_path, ALONE)
    state = state_of(tmp_path)
    # the progress line looks at the clock, too, but not within a step
    assert state["step"] == len(rates) == SECONDS
    shares = [step / SECONDS for step in range(len(rates))]
    expected = [Training(schedule="cosine").rate_factor(0, share=share) for share in shares]
    assert [rate / rates[0] for rate in rates] == pytest.approx(expected)


@pytest.mark.usefixtures("clock")
def test_resumed_it_has_the_time_that_is_left(
    unet: Experiment, rates: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CutError(Exception):
        pass

    def cut(self) -> None:
        save(self)
        if self.progress.step == 3:
            raise CutError

    save = engine.Run._save
    monkeypatch.setattr(engine.Run, "_save", cut)
    with pytest.raises(CutError):
        fit(timed(unet), tmp_path, ALONE)
    monkeypatch.setattr(engine.Run, "_save", save)
    fit(timed(unet), tmp_path, ALONE, resume=True)
    assert state_of(tmp_path)["step"] == SECONDS
    assert rates == sorted(rates, reverse=True)


def test_the_run_file_says_it(unet: Experiment, tmp_path: Path) -> None:
    fit(timed(unet, seconds=0.2), tmp_path, ALONE)
    row = evaluate_run(checkpoint.load_trained(tmp_path, "last"), metrics=["PSNR"])
    assert row.config["training"]["minutes"] == pytest.approx(0.2 / 60)
    assert row.steps == state_of(tmp_path)["step"] > 0
    assert row.wall_s["train"] >= 0.2


def test_settings_of_before_have_the_hash_of_before(unet: Experiment) -> None:
    plain = to_plain(unet)
    assert "minutes" not in plain["training"]
    assert from_plain(plain, Experiment) == unet
    assert canonical_sha256(to_plain(timed(unet))) != canonical_sha256(plain)
    assert from_plain(to_plain(timed(unet)), Experiment) == timed(unet)


def test_stages_are_not_measured_by_time(unet: Experiment, tmp_path: Path) -> None:
    stages = tuple(HintStage(name="regress", steps=n, lr=1e-3, hints=True) for n in (1, 1))
    assert isinstance(stages[0], Stage)
    staged = replace(unet, method=Zhang17.Config(width=8, stages=stages))
    with pytest.raises(UserError, match="zhang17 trains in stages, which count steps"):
        fit(timed(staged), tmp_path, ALONE)
    fit(
        timed(replace(unet, method=Zhang17.Config(width=8, stages=stages[:1])), 0.1),
        tmp_path,
        ALONE,
    )


def test_no_time_is_refused(unet: Experiment) -> None:
    with pytest.raises(UserError, match=r"--training\.minutes"):
        timed(unet, seconds=0)
