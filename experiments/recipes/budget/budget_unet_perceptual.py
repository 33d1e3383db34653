"""Equal budget: U-Net, L1 of ab and SqueezeNet's features.

Command: crosschroma reproduce budget --only budget_unet_perceptual
Time:    4 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 22.99 dB, AE 11.29, ab_std_ratio 0.27; BSDS500 22.41 dB, 10.99, 0.25
"""

from ..unet_perceptual_imagenet_sample import experiment as full
from ._budget import budget_experiment

experiment = budget_experiment("budget_unet_perceptual", full.method)
