"""Equal budget: U-Net on EfficientNet-Lite0, which has learnt from ImageNet.

Without timm's download: crosschroma train budget_encoder_unet --run-dir
runs/budget/budget_encoder_unet --method.encoder-weights FILE; see encoder_unet_vcip.

Command: crosschroma reproduce budget --only budget_encoder_unet
Time:    not run yet
Result:  not run yet
"""

from ...budget import budget_experiment
from ..encoder_unet_imagenet_sample import experiment as full

experiment = budget_experiment("budget_encoder_unet", full.method)
