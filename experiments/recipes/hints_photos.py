"""Colours from gray and hints, on a pretrained encoder and 6,800 photographs: the hint weights.

Command: crosschroma train hints_photos
         see encoder_unet_vcip for the encoder's weights without timm's download
Time:    not run yet
Result:  not run yet
"""

from ...datasets.loading.views import TrainView
from ...models.zhang17.method import HintStage, Zhang17
from ..experiment import Experiment, Training
from .ddcolor_photos import experiment as photos

experiment = Experiment(
    name="hints_photos",
    method=Zhang17.Config(
        encoder="tf_efficientnet_lite0",
        width=12,
        stages=(HintStage(name="both", steps=1800, lr=1e-3, hints=True),),
        weight_classes=0.2,
    ),
    data=photos.data,
    train_view=TrainView(size=128, crop_scale=(0.6, 1.0)),
    training=Training(
        steps=1800,
        batch_size=16,
        precision="32-true",
        schedule="cosine",
        clip_norm=1.0,
        ema_decay=0.998,
        warmup=100,
        result="last",
        validate_every=600,
        checkpoint_every=200,
    ),
)
