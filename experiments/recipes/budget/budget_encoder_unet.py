"""Equal budget: U-Net on EfficientNet-Lite0, which has learnt from ImageNet.

Without timm's download: crosschroma train budget_encoder_unet --run-dir
runs/budget/budget_encoder_unet --method.encoder-weights FILE; see encoder_unet_vcip.

Command: crosschroma reproduce budget --only budget_encoder_unet
Time:    5 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 23.34 dB, AE 10.61, ab_std_ratio 0.28; BSDS500 23.12 dB, 10.18, 0.31
"""

from ..encoder_unet_imagenet_sample import experiment as full
from ._budget import budget_experiment

experiment = budget_experiment("budget_encoder_unet", full.method)
