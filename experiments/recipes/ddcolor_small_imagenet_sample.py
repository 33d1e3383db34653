"""DDColor, small, on the ImageNet sample (700 photographs): SqueezeNet, 32 queries, 3 layers.

Encoder and perceptual loss start from one weights file (see ``losses.pretrained.squeezenet``). Its
features are of levels 0-255: gray is 54 off, so the loss weighs 0.05 and gray costs 2.7 (L1: 1.0).

Command: crosschroma train ddcolor_small_imagenet_sample
Time:    not run yet
Result:  not run yet
"""

from ...datasets.imagenet import ImageNetSample
from ...datasets.loading.views import TrainView
from ...models.ddcolor.method import DDColor
from ..experiment import Experiment, Training

experiment = Experiment(
    name="ddcolor_small_imagenet_sample",
    method=DDColor.Config(
        domain="gray",
        encoder="squeezenet1_0",
        width=128,
        queries=32,
        query_width=64,
        heads=4,
        feedforward=256,
        layers=3,
        critic_width=16,
        weight_perceptual=0.05,
        perceptual="squeezenet1_0",
        lr=4e-4,
        halvings=(),
    ),
    data=ImageNetSample(min_chroma=10.0),
    train_view=TrainView(size=128, crop_scale=(0.5, 0.75)),
    training=Training(
        steps=1500,
        batch_size=8,
        precision="bf16-mixed",
        clip_norm=1.0,
        schedule="cosine",
        warmup=50,
        result="last",
        metrics=("PSNR", "SSIM", "AE", "CF_abs"),
        validate_every=250,
        checkpoint_every=250,
    ),
)
