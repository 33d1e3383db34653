"""Equal budget: ResNet18 U-Net from scratch, two thirds L1, then a GAN.

Command: crosschroma reproduce budget --only budget_resnet_unet_gan
Time:    not run yet
Result:  not run yet
"""

from ....models.resnet_unet_gan import ResnetUNetGan
from ...budget import budget_experiment, stage_steps

_ALONE, _ = stage_steps(2, 1)

experiment = budget_experiment(
    "budget_resnet_unet_gan",
    ResnetUNetGan.Config(
        domain="gray", encoder_weights="none", pretrain_steps=_ALONE, pretrain_lr=5e-4
    ),
)
