"""The engine: stopping, resuming, several processes, accumulation, logs and refusals."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.artifacts import checkpoint
from crosschroma.experiments.evaluation.evaluate import evaluate
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.training.engine import fit
from crosschroma.losses.terms import DivergedError
from crosschroma.models.unet import UNet
from interrupted import ALONE, assert_same, fit_with_cuts, state_of
from processes import TWO, start


def wait_for(path: Path, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert child.poll() is None, child.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["unet", "pix2pix"])
def test_stopped_after_any_checkpoint_and_resumed_is_bit_identical(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    experiment = request.getfixturevalue(kind)
    fit(experiment, tmp_path / "whole", ALONE)
    fit_with_cuts(experiment, tmp_path / "cut", [3])
    assert_same(state_of(tmp_path / "whole"), state_of(tmp_path / "cut"))


def test_killed_and_resumed_is_bit_identical(pix2pix: Experiment, tmp_path: Path) -> None:
    """Killed wherever it is, in the 50-th part of a second after its first checkpoint."""
    training = replace(pix2pix.training, steps=40, validate_every=20, checkpoint_every=1)
    experiment = replace(pix2pix, training=training)
    fit(experiment, tmp_path / "whole", ALONE)
    for number in (signal.SIGTERM, signal.SIGKILL):
        run = tmp_path / number.name
        child = start(experiment, run, tmp_path)
        wait_for(run / checkpoint.LAST, child)
        child.send_signal(number)
        output = child.communicate(timeout=120)[0]
        assert child.returncode != 0
        done = checkpoint.load_checkpoint(run / checkpoint.LAST)["step"]
        (run / f".{checkpoint.LAST}.half").write_bytes(b"as if killed while saving")
        assert 0 < done < 40, "the signal came too late to test anything"
        if number == signal.SIGTERM:
            assert f"stopped at step {done}" in output
        fit(experiment, run, ALONE, resume=True)
        assert_same(state_of(tmp_path / "whole"), state_of(run))
        assert not list(run.glob(".*"))


@pytest.mark.ddp
def test_two_processes_do_what_one_does(unet: Experiment, tmp_path: Path) -> None:
    fit(unet, tmp_path / "one", ALONE)
    child = start(unet, tmp_path / "two", tmp_path, TWO)
    output = child.communicate(timeout=240)[0]
    assert child.returncode == 0, output
    one, two = state_of(tmp_path / "one"), state_of(tmp_path / "two")
    for name, weights in one["networks"]["generator"].items():
        # gradients are summed in another order: 1e-7 each, and Adam divides by their size
        torch.testing.assert_close(two["networks"]["generator"][name], weights, atol=2e-5, rtol=0)
    assert two["best_metrics"]["PSNR"] == pytest.approx(one["best_metrics"]["PSNR"], abs=1e-2)
    assert len(two["random"]) == 2


@pytest.mark.ddp
def test_one_process_that_fails_ends_the_others(unet: Experiment, tmp_path: Path) -> None:
    """A process that diverges alone must not leave the other waiting for ever."""
    fault = """
import os
from crosschroma.experiments.training.step import LossWatch
from crosschroma.losses.terms import DivergedError
def note(self, terms, step, own=LossWatch.note):
    if os.environ.get("LOCAL_RANK", "0") == "1" and step == 2:
        raise DivergedError("step 2: loss term l1 is nan")
    own(self, terms, step)
LossWatch.note = note
"""
    child = start(unet, tmp_path / "two", tmp_path, TWO, fault=fault)
    output = child.communicate(timeout=120)[0]
    assert child.returncode != 0
    assert "step 2: loss term l1 is nan" in output


@pytest.mark.ddp
def test_pix2pix_trains_in_two_processes(pix2pix: Experiment, tmp_path: Path) -> None:
    """Two optimisers, a frozen discriminator and BatchNorm: both ranks save one state."""
    child = start(pix2pix, tmp_path / "two", tmp_path, TWO)
    output = child.communicate(timeout=240)[0]
    assert child.returncode == 0, output
    noted = checkpoint.load_checkpoint(tmp_path / "two" / checkpoint.BEST)
    trained = checkpoint.load_trained(tmp_path / "two")
    scored = evaluate(
        trained.method.colorize,
        pix2pix.data.split("validation"),
        pix2pix.eval_view,
        metrics=("PSNR",),
    )
    assert scored.summary["all"]["PSNR"] == pytest.approx(noted["best"], abs=1e-3)
    with pytest.raises(UserError, match="trained by 2 process"):
        fit(pix2pix, tmp_path / "two", ALONE, resume=True)


def test_bfloat16_trains(pix2pix: Experiment, tmp_path: Path) -> None:
    training = replace(pix2pix.training, precision="bf16-mixed")
    fit(replace(pix2pix, training=training), tmp_path, ALONE)
    state = state_of(tmp_path)
    assert all(w.dtype != torch.bfloat16 for w in state["networks"]["generator"].values())


def test_accumulated_micro_batches_equal_one_batch(unet: Experiment, tmp_path: Path) -> None:
    fit(unet, tmp_path / "whole", ALONE)
    split = replace(unet, training=replace(unet.training, accumulate=4))
    fit(split, tmp_path / "split", ALONE)
    whole, parts = state_of(tmp_path / "whole"), state_of(tmp_path / "split")
    for name, weights in whole["networks"]["generator"].items():
        torch.testing.assert_close(parts["networks"]["generator"][name], weights, atol=2e-5, rtol=0)


def test_learning_rate_follows_the_schedule(unet: Experiment) -> None:
    training = replace(unet.training, steps=100, warmup=10, schedule="cosine")
    factors = [training.rate_factor(step) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[50] == pytest.approx(0.5)
    assert factors[99] < 1e-3
    linear = replace(training, warmup=0, schedule="linear")
    assert [linear.rate_factor(s) for s in (0, 50, 75)] == pytest.approx([1, 1, 0.5])


def test_best_is_kept_by_the_monitor(unet: Experiment, tmp_path: Path) -> None:
    training = replace(unet.training, steps=40, validate_every=5, monitor="AE")
    fit(replace(unet, training=training), tmp_path, ALONE)
    values = _scalars(tmp_path)["validation/AE"]
    best = checkpoint.load_checkpoint(tmp_path / checkpoint.BEST)
    assert best["best"] == pytest.approx(min(values.values()), rel=1e-4)
    assert values[best["step"]] == pytest.approx(best["best"], rel=1e-4)


def test_patience_ends_a_run(unet: Experiment, tmp_path: Path) -> None:
    method = UNet.Config(domain="nir", width=4, levels=2, norm="none", lr=0.0)
    training = replace(unet.training, steps=50, validate_every=2, checkpoint_every=2, patience=2)
    fit(replace(unet, method=method, training=training), tmp_path, ALONE)
    assert state_of(tmp_path)["step"] == 6


def test_tensorboard_holds_what_runs_are_compared_by(pix2pix: Experiment, tmp_path: Path) -> None:
    fit(pix2pix, tmp_path, ALONE)
    scalars = _scalars(tmp_path)
    for name in ("adv_d", "adv_g", "l1"):
        assert set(scalars[f"loss_raw/{name}"]) == set(range(1, 7))
    raw, weighted = scalars["loss_raw/l1"][6], scalars["loss_weighted/l1"][6]
    assert weighted == pytest.approx(100 * raw, rel=1e-4)
    for name in ("lr/generator", "lr/discriminator", "throughput/images_per_s", "validation/PSNR"):
        assert name in scalars
    events = _events(tmp_path)
    assert [tag for tag in events.Tags()["images"] if "input | prediction | target" in tag]
    assert "_hparams_/session_start_info" in events.summary_metadata


def test_no_images_are_shown_when_none_are_wanted(unet: Experiment, tmp_path: Path) -> None:
    fit(replace(unet, training=replace(unet.training, grid=0)), tmp_path, ALONE)
    assert not _events(tmp_path).Tags()["images"]


def test_diverging_stops_with_the_step_and_the_term(unet: Experiment, tmp_path: Path) -> None:
    method = UNet.Config(domain="nir", width=4, levels=2, norm="none")
    object.__setattr__(method, "lr", float("inf"))  # which no setting may be
    with pytest.raises(DivergedError, match="step 1: loss term l1_rgb is nan"):
        fit(replace(unet, method=method), tmp_path, ALONE)


def test_half_precision_with_two_optimisers_and_micro_batches_is_refused(
    pix2pix: Experiment, tmp_path: Path
) -> None:
    training = replace(pix2pix.training, precision="16-mixed", accumulate=2)
    with pytest.raises(UserError, match="one loss scale"):
        fit(replace(pix2pix, training=training), tmp_path, ALONE)


def test_an_existing_run_is_not_overwritten(unet: Experiment, tmp_path: Path) -> None:
    fit(unet, tmp_path, ALONE)
    before = (tmp_path / checkpoint.LAST).read_bytes()
    with pytest.raises(UserError, match="--resume"):
        fit(unet, tmp_path, ALONE)
    longer = replace(unet, training=replace(unet.training, steps=9, schedule="cosine"))
    with pytest.raises(UserError, match=r"other settings \(training\.schedule\)"):
        fit(longer, tmp_path, ALONE, resume=True)
    other = replace(unet, method=replace(unet.method, width=8))
    with pytest.raises(UserError, match=r"other settings \(method.width\)"):
        fit(other, tmp_path, ALONE, resume=True)
    assert (tmp_path / checkpoint.LAST).read_bytes() == before


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"monitor": "PSNRR", "metrics": ("PSNRR",)}, "did you mean PSNR"),
        ({"monitor": "CF", "metrics": ("CF",)}, "cannot keep the best by 'CF'"),
        ({"batch_size": 5, "accumulate": 2}, "multiple of 2"),
        ({"accumulate": 0}, "--training.accumulate 0: must be at least 1"),
        ({"steps": 0}, "--training.steps 0: must be at least 1"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_the_first_step(
    unet: Experiment, change: dict, text: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=text):
        fit(replace(unet, training=replace(unet.training, **change)), tmp_path / "run", ALONE)
    assert not (tmp_path / "run").exists()


def test_a_constant_schedule_may_be_lengthened(unet: Experiment, tmp_path: Path) -> None:
    fit(replace(unet, training=replace(unet.training, steps=3)), tmp_path / "grown", ALONE)
    fit(unet, tmp_path / "grown", ALONE, resume=True)
    fit(unet, tmp_path / "whole", ALONE)
    grown, whole = state_of(tmp_path / "grown"), state_of(tmp_path / "whole")
    assert_same(grown["networks"], whole["networks"])


def test_a_device_that_is_not_there_is_named(unet: Experiment, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has the GPU")
    with pytest.raises(UserError, match=r"accelerator 'cuda'.*--hardware.accelerator cpu"):
        fit(unet, tmp_path, Hardware(accelerator="cuda", workers=0))


def _events(run: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run), size_guidance={"images": 1})
    events.Reload()
    return events


def _scalars(run: Path) -> dict[str, dict[int, float]]:
    events = _events(run)
    return {
        tag: {event.step: event.value for event in events.Scalars(tag)}
        for tag in events.Tags()["scalars"]
    }
