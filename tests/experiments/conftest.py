from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from crosschroma.datasets.loading.views import EvalView, TrainView
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.experiments.artifacts import checkpoint
from crosschroma.experiments.experiment import Experiment, Training
from crosschroma.experiments.settings import to_plain
from crosschroma.models.pix2pix import Pix2Pix
from crosschroma.models.unet import UNet
from crosschroma.models.zhang17.method import Zhang17


@pytest.fixture
def unet() -> Experiment:
    """A run of a second: six steps on 32-pixel scenes, without BatchNorm or dropout."""
    return Experiment(
        name="tiny_unet",
        method=UNet.Config(domain="nir", width=4, levels=2, norm="none"),
        data=Scenes(size=32, count_train=16, count_validation=3, count_test=3),
        train_view=TrainView(size=32, crop_scale=(0.6, 1.0), nir_gamma=0.1),
        eval_view=EvalView(size=32),
        training=Training(
            steps=6, batch_size=4, validate_every=3, checkpoint_every=3, log_every=1, grid=2
        ),
    )


@pytest.fixture
def pix2pix(unet: Experiment) -> Experiment:
    """The same with two optimisers, BatchNorm, dropout, EMA and a schedule."""
    method = Pix2Pix.Config(domain="gray", width=8, levels=5, discriminator_width=4)
    training = dataclasses.replace(
        unet.training, ema_decay=0.9, schedule="cosine", warmup=2, clip_norm=1.0
    )
    return dataclasses.replace(unet, name="tiny_pix2pix", method=method, training=training)


@pytest.fixture
def hint_painter(unet: Experiment, tmp_path: Path) -> Path:
    """A run of zhang17 at 64 pixels, whose weights paint the hinted squares and a warm tone."""
    config = Zhang17.Config(width=8)
    torch.manual_seed(0)
    network = config.build().generator
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not isinstance(network.get_submodule(name.rpartition(".")[0]), torch.nn.BatchNorm2d):
                parameter.zero_()
        passed = torch.eye(8)[:4]
        network.block1[0].weight[:4, 1:3, 1, 1] = torch.tensor([[1, 0], [-1, 0], [0, 1], [0, -1.0]])
        network.block1[2].weight[:4, :, 1, 1] = passed
        network.skip10.weight[:4, :, 1, 1] = passed
        network.block10[1].weight[:4, :4, 1, 1] = torch.eye(4)
        network.colors.weight[:, :4, 0, 0] = torch.tensor([[1.0, -1, 0, 0], [0, 0, 1, -1]])
        network.colors.bias.copy_(torch.tensor([0.05, 0.1]))
        network.classes.bias.normal_()
    view = EvalView(size=64)
    experiment = dataclasses.replace(unet, name="painter", method=config, eval_view=view)
    state = {
        "inference": {"generator": network.state_dict()},
        "experiment": to_plain(experiment),
        "starts": [],
        "step": 1,
        "train_s": 0.0,
    }
    folder = tmp_path / "runs" / "painter"
    checkpoint.save_checkpoint(folder / "best.pt", state)
    return folder
