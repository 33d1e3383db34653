"""Equal budget: U-Net, L1 of ab and SqueezeNet's features.

Command: crosschroma reproduce budget --only budget_unet_perceptual
Time:    4 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 22.99 dB, AE 11.29, ab_std_ratio 0.27; BSDS500 22.41 dB, 10.99, 0.25
"""

from dataclasses import replace

from ....models.base.extra_losses import ExtraLosses
from ..unet_imagenet_sample import experiment as plain
from ._budget import budget_experiment

experiment = budget_experiment(
    "budget_unet_perceptual",
    replace(plain.method, extra=ExtraLosses(perceptual=1e-3, backbone="squeezenet1_0")),
)
