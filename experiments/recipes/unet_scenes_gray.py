"""Small U-Net on generated scenes, L* to ab: part of `make demo`.

Command: crosschroma train unet_scenes_gray
"""

from ...datasets.scenes import Scenes
from ...datasets.transforms import EvalView, TrainView
from ...models.unet import UNet
from ..experiment import Experiment, Training

experiment = Experiment(
    name="unet_scenes_gray",
    method=UNet.Config(domain="gray", width=16, levels=4, lr=2e-3),
    data=Scenes(size=128, count_validation=16, count_test=32),
    train_view=TrainView(size=128),
    eval_view=EvalView(size=128),
    training=Training(
        steps=300,
        batch_size=8,
        ema_decay=0.98,
        schedule="cosine",
        warmup=20,
        validate_every=100,
        checkpoint_every=100,
    ),
)
