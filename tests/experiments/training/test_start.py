"""Trainings that begin with a run's weights, and finished runs that become longer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts import checkpoint, weights_file
from crosschroma.experiments.evaluation.evaluate_run import evaluate_run
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.training.engine import fit
from crosschroma.experiments.training.start import begin
from crosschroma.models.zhang16.method import Zhang16

CPU = Hardware(accelerator="cpu", workers=0)


def steps(experiment: Experiment, count: int, schedule: str = "constant") -> Experiment:
    training = replace(experiment.training, steps=count, schedule=schedule)
    return replace(experiment, training=training)


def test_every_kind_of_weights_begins_a_training(
    pix2pix: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(steps(pix2pix, 2), tmp_path / "one", CPU)
    shipped = weights_file.ship(tmp_path / "one", tmp_path / "w.safetensors")
    torch.manual_seed(5)
    for run in (tmp_path / "one", tmp_path / "one" / "last.pt", shipped):
        method = pix2pix.method.build()
        text, entry = begin(method, str(run))
        assert text.endswith("generator fit; discriminator and all optimisers begin anew"), text
        trained = weights_file.load_any(run)
        for ours, theirs in zip(
            method.generator.parameters(), trained.method.generator.parameters(), strict=True
        ):
            assert torch.equal(ours, theirs)
        assert entry["from"]["weights_sha256"] == trained.weights_sha256
    capsys.readouterr()
    fit(steps(pix2pix, 1), tmp_path / "two", CPU, start=str(shipped))
    assert "starts from " in capsys.readouterr().out
    two = checkpoint.load_trained(tmp_path / "two")
    assert two.starts[0]["from"]["run"] == "tiny_pix2pix"
    row = evaluate_run(two, metrics=["PSNR"])
    digest = two.starts[0]["from"]["weights_sha256"][:12]
    assert f"; weights of tiny_pix2pix ({digest}), learnt from " in row.train_data


def test_weights_of_another_design_are_refused(
    unet: Experiment, pix2pix: Experiment, tmp_path: Path
) -> None:
    fit(steps(unet, 1), tmp_path / "unet", CPU)
    wider = replace(unet.method, width=8)
    for method in (pix2pix.method, wider):
        with pytest.raises(UserError, match=r"(?s)--from .*unet: generator does not fit.*"):
            begin(method.build(), str(tmp_path / "unet"))
    with pytest.raises(UserError, match="no run"):
        begin(unet.method.build(), str(tmp_path / "typo"))


@pytest.mark.parametrize(
    ("schedule", "factors"), [("constant", "1 to 1"), ("linear", "0.667 to 1")]
)
def test_a_finished_run_becomes_longer(
    schedule: str,
    factors: str,
    unet: Experiment,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fit(steps(unet, 3, schedule), tmp_path, CPU)
    capsys.readouterr()
    fit(steps(unet, 6, schedule), tmp_path, CPU, resume=True)
    text = f"lengthened from 3 to 6 steps: learning rates follow the schedule {schedule}"
    printed = capsys.readouterr().out
    assert text in printed
    assert f"their factor goes from {factors}" in printed
    state = checkpoint.load_checkpoint(tmp_path / "last.pt")
    assert state["step"] == 6
    assert state["starts"][1]["changed"].startswith(text)
    if schedule == "constant":  # the same as one that was that long from the beginning
        fit(steps(unet, 6), tmp_path / "whole", CPU)
        whole = checkpoint.load_checkpoint(tmp_path / "whole" / "last.pt")["networks"]
        for name, tensor in state["networks"]["generator"].items():
            assert torch.equal(tensor, whole["generator"][name])


def test_a_run_goes_on_with_another_decoding(
    unet: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No weight depends on it."""
    config = Zhang16.Config(width=4)
    experiment = steps(replace(unet, method=config), 2, "cosine")
    fit(experiment, tmp_path, CPU)
    colder = replace(experiment, method=replace(config, temperature=0.2, ensemble="flip"))
    fit(colder, tmp_path, CPU, resume=True)
    assert "goes on with another method." in capsys.readouterr().out
    assert checkpoint.load_trained(tmp_path, "last").experiment.method == colder.method
    with pytest.raises(UserError, match=r"other settings \(method\.uniform\)"):
        fit(replace(colder, method=replace(colder.method, uniform=0.1)), tmp_path, CPU, resume=True)
    fit(steps(replace(colder, method=config), 3, "cosine"), tmp_path, CPU, resume=True)
    changed = checkpoint.load_checkpoint(tmp_path / "last.pt")["starts"][-1]["changed"]
    assert changed.startswith("lengthened from 2 to 3 steps")
    assert "; goes on with another method.ensemble, method.temperature" in changed


def test_one_that_has_not_finished_keeps_its_schedule(unet: Experiment, tmp_path: Path) -> None:
    fit(steps(unet, 3, "cosine"), tmp_path, CPU)
    with pytest.raises(UserError, match=r"other settings \(training\.steps\)"):
        fit(steps(unet, 2, "cosine"), tmp_path, CPU, resume=True)


def test_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "unet_scenes_nir", "--smoke", "--run-dir", str(tmp_path / "run")]
    assert cli.run([*words, "--from", "encoder_unet_nir_epfl"]) == 1
    assert "--from encoder_unet_nir_epfl: generator does not fit" in capsys.readouterr().err
    assert cli.run([*words, "--from", "encoder_unet_nir_epfl", "--resume"]) == 2
