"""Small U-Net on generated scenes, NIR to RGB: part of `make demo`.

Command: crosschroma train unet_scenes_nir
Time:    about 60 s on two cores of an Intel Xeon
Result:  18.0 dB PSNR, 6.8 degrees AE on 32 scenes
"""

from ...datasets.loading.views import EvalView, TrainView
from ...datasets.scenes.adapter import Scenes
from ...models.unet import UNet
from ..experiment import Experiment, Training

experiment = Experiment(
    name="unet_scenes_nir",
    method=UNet.Config(domain="nir", width=16, levels=4, lr=2e-3),
    data=Scenes(size=128, count_validation=16, count_test=32),
    train_view=TrainView(size=128),
    eval_view=EvalView(size=128),
    training=Training(
        steps=200,
        batch_size=8,
        ema_decay=0.98,
        schedule="cosine",
        warmup=20,
        validate_every=100,
        checkpoint_every=100,
    ),
)
