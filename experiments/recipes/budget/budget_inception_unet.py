"""Equal budget: Inception-ResNet v2 from scratch under a decoder, at 128x128 pixels.

Command: crosschroma reproduce budget --only budget_inception_unet
Time:    7 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 22.69 dB, AE 12.66, ab_std_ratio 0.14; BSDS500 22.50 dB, 11.70, 0.13
"""

from ....models.inception_unet import InceptionUNet
from ._budget import VIEW, budget_experiment

experiment = budget_experiment(
    "budget_inception_unet", InceptionUNet.Config(encoder_weights="none", size=VIEW.size)
)
