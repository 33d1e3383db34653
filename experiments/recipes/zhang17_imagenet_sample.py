"""Colours from gray and hints on the ImageNet sample (700 photographs).

Command: crosschroma train zhang17_imagenet_sample
Time:    not run yet; 1.6 s a step on one core of an Intel Xeon (AMX, bfloat16)
Result:  not run yet; `crosschroma hints-curve RUN` tells what hints add to it
"""

from ...datasets.imagenet import ImageNetSample
from ...datasets.loading.views import TrainView
from ...models.zhang17.method import HintStage, Zhang17
from ..experiment import Experiment, Training

experiment = Experiment(
    name="zhang17_imagenet_sample",
    method=Zhang17.Config(
        width=32,
        global_hints=True,
        stages=(
            HintStage(name="classify", steps=800, lr=5e-4, hints=False),
            HintStage(name="regress", steps=1600, lr=5e-4, hints=True),
            HintStage(name="regress", steps=600, lr=1e-4, hints=True),
        ),
    ),
    data=ImageNetSample(min_chroma=10.0),
    train_view=TrainView(size=128, crop_scale=(0.5, 0.75)),
    training=Training(
        steps=3000,
        batch_size=16,
        precision="bf16-mixed",
        clip_norm=1.0,
        ema_decay=0.995,
        warmup=50,
        result="last",
        validate_every=250,
        checkpoint_every=250,
    ),
)
