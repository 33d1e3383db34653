"""DDColor, small, on three sets of photographs: EfficientNet-Lite0, 32 queries, 3 layers.

Besides the ImageNet sample it sees BSDS500's training photographs, much of them nature, and the RGB
of VCIP's clean pairs. The weights come with the package, see results/weights.
The perceptual loss is SqueezeNet's (see ``losses.pretrained.squeezenet``), whose features are of
levels 0-255: gray is 54 off, so the loss weighs 0.05 and gray costs 2.7 (L1: 1.0).

Command: crosschroma train ddcolor_small_photos
         see encoder_unet_vcip for the encoder's weights without timm's download
Time:    37 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  23.3 dB PSNR, 10.4 degrees AE on the 100 test photographs of the ImageNet sample, ab's
    standard deviation .49 of the true one; BSDS500's test photographs: 22.4 dB, 10.7, .75
"""

from ...datasets.bsds500 import Bsds500
from ...datasets.imagenet import ImageNetSample
from ...datasets.loading.views import TrainView
from ...datasets.mixtures.union import Union
from ...datasets.vcip import Vcip
from ...models.ddcolor.method import DDColor
from ..experiment import Experiment, Training

experiment = Experiment(
    name="ddcolor_small_photos",
    method=DDColor.Config(
        domain="gray",
        encoder="tf_efficientnet_lite0",
        width=128,
        queries=32,
        query_width=64,
        heads=4,
        feedforward=256,
        layers=3,
        critic_width=16,
        weight_perceptual=0.05,
        perceptual="squeezenet1_0",
        lr=3e-4,
        halvings=(),
    ),
    data=Union(
        first=ImageNetSample(min_chroma=10.0),
        others=(Bsds500(min_chroma=10.0), Vcip(protocol_name="vcip-clean", fold=None)),
    ),
    train_view=TrainView(size=128, crop_scale=(0.5, 1.0)),
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
