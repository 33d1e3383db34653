"""Equal budget: ResNet18 U-Net from scratch, two thirds L1, then a GAN.

Command: crosschroma reproduce budget --only budget_resnet_unet_gan
Time:    11 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 23.18 dB, AE 10.91, ab_std_ratio 0.28; BSDS500 22.66 dB, 10.67, 0.31
"""

from ....models.resnet_unet_gan import ResnetUNetGan
from ._budget import budget_experiment, stage_steps

_ALONE, _ = stage_steps(2, 1)

experiment = budget_experiment(
    "budget_resnet_unet_gan",
    ResnetUNetGan.Config(
        domain="gray", encoder_weights="none", pretrain_steps=_ALONE, pretrain_lr=5e-4
    ),
)
