"""Classification of colour with class rebalancing on the ImageNet sample (700 photographs).

Command: crosschroma train zhang16_imagenet_sample
Time:    not run yet; 0.6 s a step on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  not run yet
"""

from ...datasets.imagenet import ImageNetSample
from ...datasets.loading.views import TrainView
from ...models.zhang16.method import Zhang16
from ..experiment import Experiment, Training

experiment = Experiment(
    name="zhang16_imagenet_sample",
    method=Zhang16.Config(loss="rebalanced", width=32, lr=5e-4),
    data=ImageNetSample(min_chroma=10.0),
    train_view=TrainView(size=128, crop_scale=(0.5, 0.75)),
    training=Training(
        steps=3000,
        batch_size=16,
        precision="bf16-mixed",
        clip_norm=1.0,
        ema_decay=0.995,
        schedule="cosine",
        warmup=50,
        result="last",
        validate_every=250,
        checkpoint_every=250,
    ),
)
