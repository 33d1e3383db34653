"""Training where it is not the CPU alone: mixed precision, checkpoints that move, a shared GPU."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.loading.loader import on_device
from crosschroma.experiments.artifacts import checkpoint
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.training import engine
from crosschroma.experiments.training.devices import make_fabric, usable_device
from crosschroma.experiments.training.engine import fit
from crosschroma.experiments.training.step import LossWatch
from crosschroma.losses.terms import DivergedError
from interrupted import ALONE, assert_same, state_of
from processes import start

CUDA = Hardware(accelerator="cuda", workers=0)


def on(device: torch.device) -> Hardware:
    return CUDA if device.type == "cuda" else ALONE


@pytest.mark.parametrize(
    ("device", "precision"),
    [
        ("cpu", "bf16-mixed"),  # which Fabric takes for 16-mixed, too
        pytest.param("cuda", "bf16-mixed", marks=pytest.mark.gpu),
        pytest.param("cuda", "16-mixed", marks=pytest.mark.gpu),
    ],
    indirect=["device"],
)
def test_mixed_precision_trains(
    pix2pix: Experiment, device: torch.device, precision: str, tmp_path: Path
) -> None:
    """Two optimisers; in float16 the losses are scaled, and the scale is saved."""
    training = replace(pix2pix.training, precision=precision)
    fit(replace(pix2pix, training=training), tmp_path, on(device))
    state = state_of(tmp_path)
    weights = state["networks"]["generator"].values()
    assert all(w.dtype not in (torch.bfloat16, torch.float16) for w in weights)
    assert all(w.isfinite().all() for w in weights)
    assert (state["precision"].get("scale", 0) > 0) == (precision == "16-mixed")


def test_shipped_weights_are_the_average(
    pix2pix: Experiment, device: torch.device, tmp_path: Path
) -> None:
    fit(pix2pix, tmp_path, on(device))
    state = state_of(tmp_path)
    shipped = checkpoint.load_trained(tmp_path, "last").method.networks()["generator"].state_dict()
    own = state["networks"]["generator"]
    average = {name: state["average"]["generator"][f"module.{name}"] for name in own}
    assert_same(dict(shipped), average)
    assert any(not torch.equal(own[name], average[name]) for name in own)


@pytest.mark.gpu
@pytest.mark.parametrize("order", [(ALONE, CUDA), (CUDA, ALONE), (CUDA, CUDA)])
def test_a_run_goes_on_on_another_device(
    unet: Experiment, cuda: torch.device, order: tuple[Hardware, Hardware], tmp_path: Path
) -> None:
    """Three steps here, three there: the weights of six steps on the CPU, but for rounding."""
    fit(unet, tmp_path / "whole", ALONE)
    first = replace(unet, training=replace(unet.training, steps=3))
    fit(first, tmp_path / "moved", order[0])
    fit(unet, tmp_path / "moved", order[1], resume=True)
    whole, moved = state_of(tmp_path / "whole"), state_of(tmp_path / "moved")
    assert moved["step"] == 6
    for name, weights in whole["networks"]["generator"].items():
        # Adam divides by the gradient's size, so that its rounding shows in a weight as it is
        torch.testing.assert_close(moved["networks"]["generator"][name], weights, atol=1e-4, rtol=0)
    assert moved["best_metrics"]["PSNR"] == pytest.approx(whole["best_metrics"]["PSNR"], abs=0.01)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_no_step_waits_for_the_gpu(
    pix2pix: Experiment,
    cuda: torch.device,
    precision: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two optimisers, clipping and an average; losses are looked at when they are logged."""
    step, asked = engine.Run._step, []

    def watched(self, batches):
        torch.cuda.set_sync_debug_mode("error" if self.progress.step else "default")
        try:
            return step(self, batches)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    def check(self) -> None:
        asked.append(len(self._kept))
        own_check(self)

    own_check = LossWatch.check
    monkeypatch.setattr(engine.Run, "_step", watched)
    monkeypatch.setattr(LossWatch, "check", check)
    training = replace(pix2pix.training, precision=precision, log_every=3)
    fit(replace(pix2pix, training=training), tmp_path, CUDA)
    assert asked[0] == 6, "three steps of two optimisers"


@pytest.mark.gpu
def test_a_loss_that_diverges_on_a_gpu_is_named(
    unet: Experiment, cuda: torch.device, tmp_path: Path
) -> None:
    method = replace(unet.method)
    object.__setattr__(method, "lr", float("inf"))  # which no setting may be
    training = replace(unet.training, log_every=3, validate_every=0, checkpoint_every=0)
    with pytest.raises(DivergedError, match="step 1: loss term l1_rgb is"):
        fit(replace(unet, method=method, training=training), tmp_path, CUDA)
    assert not (tmp_path / checkpoint.LAST).exists()


@pytest.mark.gpu
def test_batches_are_copied_whole(cuda: torch.device) -> None:
    batches = [Batch(key=[str(i)], gray=torch.full((1, 1, 64, 64), float(i))) for i in range(5)]
    batches[3]["boxes"] = [torch.tensor([[0.0, 0, 1, 1]])]
    copied = list(on_device(iter(batches), cuda))
    assert [batch["key"] for batch in copied] == [batch["key"] for batch in batches]
    assert [batch["gray"].mean().item() for batch in copied] == [0, 1, 2, 3, 4]
    assert copied[3]["boxes"][0].device.type == "cuda"


@pytest.mark.slow  # inductor takes a minute
def test_compiled_networks_are_the_same_but_for_rounding(
    unet: Experiment, device: torch.device, tmp_path: Path
) -> None:
    """And their weights have the names that they have without."""
    states = {}
    for compile in (False, True):
        fit(unet, tmp_path / str(compile), replace(on(device), compile=compile))
        states[compile] = state_of(tmp_path / str(compile))["networks"]["generator"]
    assert states[True].keys() == states[False].keys()
    for name, weights in states[False].items():
        torch.testing.assert_close(states[True][name], weights, atol=1e-4, rtol=0)


@pytest.mark.gpu
@pytest.mark.ddp
def test_two_processes_share_a_gpu(unet: Experiment, cuda: torch.device, tmp_path: Path) -> None:
    """As two machines of one device each, which both are this GPU, by gloo."""
    fit(unet, tmp_path / "one", CUDA)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    address = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    ranks = [
        {**address, "RANK": str(rank), "GROUP_RANK": str(rank), "LOCAL_RANK": "0"}
        for rank in range(2)
    ]
    hardware = replace(CUDA, nodes=2, backend="gloo")
    both = [start(unet, tmp_path / "two", tmp_path, hardware, env=env) for env in ranks]
    outputs = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(outputs)
    one, two = state_of(tmp_path / "one"), state_of(tmp_path / "two")
    assert len(two["random"]) == 2
    for name, weights in one["networks"]["generator"].items():
        torch.testing.assert_close(two["networks"]["generator"][name], weights, atol=1e-4, rtol=0)


def test_float32_is_whole_unless_tf32_is_asked_for(unet: Experiment) -> None:
    """torch's default lets CUDA's convolutions round."""
    for tf32 in (True, False):
        make_fabric(unet, replace(ALONE, tf32=tf32))
        assert torch.backends.cudnn.allow_tf32 == tf32
        assert torch.backends.cuda.matmul.allow_tf32 == tf32
    torch.backends.cudnn.allow_tf32 = True
    usable_device("cpu")
    assert not torch.backends.cudnn.allow_tf32
