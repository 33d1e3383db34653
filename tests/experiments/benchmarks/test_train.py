"""The training benchmark: the bare loop does what the engine does, and that is what is timed."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.benchmarks.train import (
    BARE,
    LOADING,
    SUITE,
    SUITE_EMA,
    as_measured,
    bare_step,
    loaded_batches,
    measure,
)
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.training import engine, step
from crosschroma.experiments.training.devices import make_fabric
from crosschroma.experiments.training.engine import Run
from crosschroma.models.base.extra_losses import ExtraLosses
from crosschroma.models.pix2pix import Pix2Pix
from crosschroma.models.unet import UNet
from crosschroma.models.zhang16.method import Zhang16

ALONE = Hardware(accelerator="cpu", workers=0)
CPU = torch.device("cpu")


@pytest.fixture
def gray_unet(unet: Experiment) -> Experiment:
    training = replace(unet.training, batch_size=2, clip_norm=0.05)
    return replace(unet, method=UNet.Config(domain="gray", width=4, levels=2), training=training)


@pytest.fixture
def gray_pix2pix(unet: Experiment) -> Experiment:
    method = Pix2Pix.Config(domain="gray", width=8, levels=5, discriminator_width=4)
    return replace(unet, method=method, training=replace(unet.training, batch_size=2))


# not pix2pix in bfloat16: a bare loop casts the discriminator once for real and fake
@pytest.mark.parametrize(
    ("kind", "precision"),
    [("gray_unet", "32-true"), ("gray_unet", "bf16-mixed"), ("gray_pix2pix", "32-true")],
)
def test_the_bare_loop_does_what_the_engine_does(
    kind: str, precision: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Batch by batch the same weights: nothing that the engine does is missing in the reference."""
    experiment = as_measured(request.getfixturevalue(kind), 1)
    training = replace(experiment.training, precision=precision)
    experiment = replace(experiment, training=training)
    hardware = replace(ALONE, cache=tmp_path / "cache")
    run = Run(experiment, tmp_path / "run", hardware, make_fabric(experiment, hardware))
    start = {n: v.clone() for n, v in run.networks["generator"].state_dict().items()}
    steps = run.steps(shown=False)
    assert list(islice(steps, 3)) == [1, 2, 3]
    steps.close()
    torch.manual_seed(experiment.seed)
    method = experiment.method.build()
    step = bare_step(method, experiment, CPU)
    for batch in islice(loaded_batches(experiment, hardware), 3):
        step(batch)
    for name, network in method.networks().items():
        for key, value in run.networks[name].state_dict().items():
            torch.testing.assert_close(network.state_dict()[key], value, atol=1e-6, rtol=1e-5)
    assert any(not torch.equal(v, start[n]) for n, v in method.generator.state_dict().items())


def test_every_way_makes_as_many_steps_and_the_engine_logs(
    gray_unet: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bool] = []
    logged: list[int] = []
    own_step, scalars = Run._step, engine.TensorBoard.scalars

    def counted(self, batches):
        made.append(self.average is not None)
        return own_step(self, batches)

    def noted(self, values, index):
        logged.append(index)
        scalars(self, values, index)

    monkeypatch.setattr(Run, "_step", counted)
    monkeypatch.setattr(engine.TensorBoard, "scalars", noted)
    timings = measure(gray_unet, ALONE, turn=2, repeats=3)
    assert [timing.name for timing in timings] == [BARE, LOADING, SUITE, SUITE_EMA]
    assert timings[0].ratio == 1
    assert (made.count(False), made.count(True)) == (8, 8)
    assert sorted(logged) == [2, 2, 4, 4, 6, 6, 8, 8]


def test_what_the_engine_adds_is_seen(
    gray_unet: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    weighted_sum = step.weighted_sum

    def slow(*given):
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
        return weighted_sum(*given)

    monkeypatch.setattr(step, "weighted_sum", slow)
    timings = {timing.name: timing for timing in measure(gray_unet, ALONE, turn=1, repeats=3)}
    for name in (SUITE, SUITE_EMA):
        assert timings[name].p10 > 0.05
        assert timings[name].ratio < 0.7
    assert timings[BARE].median < 0.05


@pytest.mark.parametrize(
    ("config", "training", "size", "text"),
    [
        (Zhang16.Config(), {}, 32, "knows unet and pix2pix;"),
        (UNet.Config(domain="gray", extra=ExtraLosses(ssim=1.0)), {}, 32, "losses that a method"),
        (Pix2Pix.Config(domain="gray", gan="lsgan"), {}, 256, "losses that a method"),
        (UNet.Config(domain="nir"), {}, 32, "gray pictures"),
        (UNet.Config(domain="gray"), {}, 40, "sizes that are multiples of 16"),
        (UNet.Config(domain="gray"), {"accumulate": 2}, 32, "without micro-batches"),
        (UNet.Config(domain="gray"), {"precision": "16-mixed"}, 32, "32-true and bf16-mixed"),
    ],
)
def test_what_the_bare_loop_does_not_know_is_refused(
    unet: Experiment, config, training: dict, size: int, text: str
) -> None:
    experiment = replace(
        unet,
        method=config,
        train_view=replace(unet.train_view, size=size),
        training=replace(unet.training, **training),
    )
    with torch.device("meta"):
        method = config.build()
    with pytest.raises(UserError, match=text):
        bare_step(method, experiment, CPU)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "train.json"
    words = ["bench", "train", "--smoke", "--recipes", "unet_imagenet_sample"]
    assert cli.run([*words, "--turn", "1", "--repeats", "1", "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    written = json.loads(out.read_text())
    assert written["target"] == 1.1
    assert written["timed"] == "CPU time"
    assert written["steps"]["unet_imagenet_sample"].endswith("2 x 64x64, bf16-mixed")
    costs = written["cost"]["unet_imagenet_sample"]
    assert costs.keys() == {BARE, LOADING, SUITE, SUITE_EMA}
    assert costs[BARE] == 1
    for timing in written["timings"]["unet_imagenet_sample"]:
        assert costs[timing["name"]] == pytest.approx(1 / timing["ratio"], abs=1e-3)
