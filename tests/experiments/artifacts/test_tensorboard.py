"""TensorBoard events that cannot be written: the training saves itself and says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from crosschroma.experiments.artifacts import checkpoint
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.training.engine import StoppedError, fit
from torch.utils.tensorboard import SummaryWriter


def test_a_fault_of_the_log_stops_the_run_saved(
    unet: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    training = replace(unet.training, validate_every=0, log_every=2, checkpoint_every=100)
    experiment = replace(unet, training=training)
    hardware = Hardware(accelerator="cpu", workers=0)
    with monkeypatch.context() as patch:
        patch.setattr(SummaryWriter, "add_scalar", full)
        with pytest.raises(
            StoppedError,
            match=r"TensorBoard events into .*No space left on device; stopped at step 3",
        ):
            fit(experiment, tmp_path, hardware)
    assert checkpoint.load_checkpoint(tmp_path / "last.pt")["step"] == 3
    fit(experiment, tmp_path, hardware, resume=True)
    assert checkpoint.load_checkpoint(tmp_path / "last.pt")["step"] == 6
