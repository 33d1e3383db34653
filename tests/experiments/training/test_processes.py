"""Two processes do what one does: adversarial, staged and cooperative methods, by gloo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from crosschroma.datasets.mixtures.pairs_and_photos import PairsAndPhotos
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.experiments.experiment import Experiment
from crosschroma.experiments.training.engine import fit
from crosschroma.models.base.stages import Stage
from crosschroma.models.cocolor.method import CoColor
from crosschroma.models.unet import UNet
from crosschroma.models.zhang17.method import HintStage, Zhang17
from interrupted import ALONE, state_of
from processes import TWO, start

pytestmark = [pytest.mark.slow, pytest.mark.ddp]

# BatchNorm of each process sees its own images, on a CPU always, and dropout draws its own numbers
ALIKE = """
import torch
class OwnNorm(torch.nn.GroupNorm):
    def __init__(self, channels, *_, **__):
        super().__init__(1, channels)
torch.nn.BatchNorm2d = OwnNorm
torch.nn.Dropout = torch.nn.Dropout2d = lambda *_, **__: torch.nn.Identity()
"""
_REPLACED = ("BatchNorm2d", "Dropout", "Dropout2d")
_TINY = Scenes(size=32, count_train=8, count_validation=2, count_test=1)


def adversarial(unet: Experiment, pix2pix: Experiment) -> Experiment:
    """Two optimisers, a frozen discriminator, clipping, an average."""
    return replace(pix2pix, train_view=unet.train_view)


def staged(unet: Experiment, pix2pix: Experiment) -> Experiment:
    """A part of the network rests in each stage."""
    stages = tuple(
        HintStage(name=name, steps=3, lr=lr, hints=False)
        for name, lr in (("classify", 1e-3), ("regress", 3e-4))
    )
    return replace(unet, method=Zhang17.Config(width=8, stages=stages))


def cooperative(unet: Experiment, pix2pix: Experiment) -> Experiment:
    """Networks that are optimised one after the other, in four stages."""
    method = CoColor.Config(
        nir_colorizer=UNet.Config(domain="nir", width=4, levels=2, norm="none"),
        gray_colorizer=UNet.Config(domain="gray", width=4, levels=2, norm="none"),
        stages=tuple(Stage(name=n, steps=2) for n in ("pretrain", "translate", "joint", "fuse")),
        translator_width=4,
        translator_blocks=1,
        fusion_width=4,
        ensemble="none",
    )
    data = PairsAndPhotos(pairs=_TINY, photos=replace(_TINY, scene_seed=1))
    training = replace(unet.training, steps=8, ema_decay=0.9, metrics=("PSNR",))
    return replace(unet, method=method, data=data, training=training)


@pytest.fixture
def alike(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _REPLACED:
        monkeypatch.setattr(torch.nn, name, getattr(torch.nn, name))  # which puts it back
    exec(ALIKE, {})


@pytest.mark.usefixtures("alike")
@pytest.mark.parametrize("make", [adversarial, staged, cooperative])
def test_two_processes_do_what_one_does(
    make, unet: Experiment, pix2pix: Experiment, tmp_path: Path
) -> None:
    """To a hundredth of the way that the weights go: Adam divides rounding by a gradient's size."""
    experiment = make(unet, pix2pix)
    both = start(experiment, tmp_path / "two", tmp_path, TWO, fault=ALIKE)
    begun = replace(experiment.training, steps=1, validate_every=0, schedule="constant", warmup=0)
    try:
        fit(replace(experiment, training=begun), tmp_path / "begun", ALONE)
        fit(experiment, tmp_path / "one", ALONE)
        output = both.communicate(timeout=400)[0]
    finally:
        both.kill()  # without effect on one that has ended
    assert both.returncode == 0, output
    begun, one, two = (state_of(tmp_path / name) for name in ("begun", "one", "two"))
    assert two["step"] == one["step"]
    assert len(two["random"]) == 2
    moved = 0.0
    for network, weights in one["networks"].items():
        far = distance(weights, begun["networks"][network])
        apart = distance(weights, two["networks"][network])
        assert apart <= 0.01 * far + 1e-6, (network, apart, far)
        moved += far
    assert moved > 0.01
    for metric, value in one["best_metrics"].items():
        if value is not None:
            assert two["best_metrics"][metric] == pytest.approx(value, rel=2e-3), metric


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Euclidean, over all weights of a network."""
    assert one.keys() == other.keys()
    squares = [(one[n].double() - other[n].double()).square().sum() for n in one]
    return torch.stack(squares).sum().sqrt().item() if squares else 0.0
