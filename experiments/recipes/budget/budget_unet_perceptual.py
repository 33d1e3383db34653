"""Equal budget: U-Net, L1 of ab and SqueezeNet's features.

Command: crosschroma reproduce budget --only budget_unet_perceptual
Time:    not run yet
Result:  not run yet
"""

from ...budget import budget_experiment
from ..unet_perceptual_imagenet_sample import experiment as full

experiment = budget_experiment("budget_unet_perceptual", full.method)
