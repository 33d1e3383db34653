"""CoColor on VCIP NIR, trained without the test scenes, and on photographs beside the pairs.

Its colorizers start from runs of their own: as NIR and gray colorizers they are trained already,
and cooperate from there on.

Command: crosschroma train encoder_unet_vcip_chord
         crosschroma train encoder_unet_imagenet_sample
         crosschroma train cocolor_vcip
         then, for each path and fusion: crosschroma evaluate runs/cocolor_vcip --output nir_as_gray
         and: crosschroma gallery runs/cocolor_vcip --outputs nir nir_as_gray gray gray_as_nir
Time:    25 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  fold 0: nir 17.45 dB, SSIM7 .594, AE 5.02, fused with nir_as_gray 17.07, .595, 4.99; F_N
    trained on alone from the same start (cocolor_vcip_no_gray_branch) 17.98, .596, 4.94: here
    cooperation costs (less in cocolor_vcip_nir_spared). 28 test images: nir 16.33 dB, AE 4.91;
    fused 15.74, 4.90; nir_as_gray 13.62. Given gray, fused 27.10 dB, AE 5.04; gray 27.04, 5.12
"""

from dataclasses import replace

from ...datasets.imagenet import ImageNetSample
from ...datasets.loading.views import TrainView
from ...datasets.mixtures.pairs_and_photos import PairsAndPhotos
from ...datasets.vcip import Vcip
from ...models.base.stages import Stage
from ...models.cocolor.method import CoColor
from ..experiment import Experiment, Training
from .encoder_unet_imagenet_sample import experiment as gray
from .encoder_unet_vcip_chord import experiment as nir

pairs = Vcip(protocol_name="vcip-clean")
method = CoColor.Config(
    nir_colorizer=replace(nir.method, lr=3e-4),
    nir_start="runs/encoder_unet_vcip_chord",
    gray_colorizer=replace(gray.method, lr=3e-4),
    # the best by PSNR is the grayest
    gray_start="runs/encoder_unet_imagenet_sample/last.pt",
    # as encoder_unet_vcip_chord
    weight_ssim=0.3,
    weight_angle=0.0,
    weight_chord=1.5,
    translator_width=24,
    translator_blocks=4,
    stages=(
        Stage(name="pretrain", steps=60),
        Stage(name="translate", steps=100),
        Stage(name="joint", steps=300),
        Stage(name="fuse", steps=60),
    ),
)
experiment = Experiment(
    name="cocolor_vcip",
    method=method,
    data=PairsAndPhotos(pairs=pairs, photos=ImageNetSample()),
    train_view=TrainView(
        size=128, crop_scale=(0.625, 1.0), nir_gain=0.2, nir_gamma=0.2, nir_noise=0.01
    ),
    training=Training(
        steps=520,
        batch_size=8,
        precision="bf16-mixed",
        schedule="cosine",
        warmup=20,
        # the average must follow within the last stage: after it, 5% of it are the fusion's zeros
        ema_decay=0.95,
        clip_norm=1.0,
        validate_every=260,
        checkpoint_every=100,
    ),
)
