"""CoColor on VCIP NIR, trained without the test scenes, and on photographs beside the pairs.

Command: crosschroma train cocolor_vcip
         then, for each path and fusion: crosschroma evaluate runs/cocolor_vcip --output nir_as_gray
         and: crosschroma gallery runs/cocolor_vcip --outputs nir nir_as_gray gray gray_as_nir
Time:    51 minutes on one core of an Intel Xeon (AMX, bfloat16)
Result:  28 test images, fused from NIR 15.49 dB, SSIM7 .557, AE 5.44; nir alone 15.65, nir_as_gray
    14.60. Its NIR colorizer sees 8,400 crops of 270 pairs, where encoder_unet_vcip_all sees 12,000
    of 336: far from trained
"""

from ...datasets.imagenet import ImageNetSample
from ...datasets.joined import Joined
from ...datasets.transforms import TrainView
from ...datasets.vcip import Vcip
from ...models.cocolor import CoColor
from ...models.cocolor_stages import Stage
from ...models.encoder_unet import EncoderUNet
from ..experiment import Experiment, Training

pairs = Vcip(protocol_name="vcip-clean")
method = CoColor.Config(
    nir_colorizer=EncoderUNet.Config(domain="nir", encoder="tf_efficientnet_lite0", width=20),
    gray_colorizer=EncoderUNet.Config(domain="gray", encoder="tf_efficientnet_lite0", width=20),
    translator_width=24,
    translator_blocks=4,
    stages=(
        Stage(name="pretrain", steps=500),
        Stage(name="translate", steps=150),
        Stage(name="joint", steps=550),
        Stage(name="fuse", steps=60),
    ),
)
experiment = Experiment(
    name="cocolor_vcip",
    method=method,
    data=Joined(pairs=pairs, photos=ImageNetSample()),
    train_view=TrainView(
        size=128, crop_scale=(0.625, 1.0), nir_gain=0.2, nir_gamma=0.2, nir_noise=0.01
    ),
    training=Training(
        steps=1260,
        batch_size=8,
        precision="bf16-mixed",
        schedule="cosine",
        warmup=20,
        # the average must be able to follow within the last stage
        ema_decay=0.98,
        clip_norm=1.0,
        validate_every=250,
        checkpoint_every=100,
    ),
)
