"""U-Net regression of ab on the ImageNet sample (700 photographs).

Command: crosschroma train unet_imagenet_sample
Time:    9 minutes on one core of an Intel Xeon (AMX, bfloat16), beside another run
Result:  23.1 dB PSNR, 10.7 degrees AE on the 100 test photographs, where gray has 22.9 and 10.9;
    the standard deviation of ab is .23 of the true one: dull, as L1 on 600 photographs is
"""

from ...datasets.imagenet import ImageNetSample
from ...datasets.loading.views import TrainView
from ...models.unet import UNet
from ..experiment import Experiment, Training

experiment = Experiment(
    name="unet_imagenet_sample",
    method=UNet.Config(domain="gray", loss="l1", width=32, lr=1e-3),
    data=ImageNetSample(min_chroma=10.0),
    train_view=TrainView(size=128, crop_scale=(0.5, 0.75)),
    training=Training(
        steps=600,
        batch_size=12,
        precision="bf16-mixed",
        clip_norm=1.0,
        ema_decay=0.995,
        schedule="cosine",
        warmup=50,
        validate_every=100,
        checkpoint_every=100,
    ),
)
