from __future__ import annotations

import dataclasses

import pytest
from crosschroma.datasets.scenes import Scenes
from crosschroma.datasets.transforms import EvalView, TrainView
from crosschroma.experiments.experiment import Experiment, Training
from crosschroma.models.pix2pix import Pix2Pix
from crosschroma.models.unet import UNet


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
