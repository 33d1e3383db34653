"""Equal budget: Inception-ResNet v2 from scratch under a decoder, at 128x128 pixels.

Command: crosschroma reproduce budget --only budget_inception_unet
Time:    not run yet
Result:  not run yet
"""

from ....models.inception_unet import InceptionUNet
from ...budget import VIEW, budget_experiment

experiment = budget_experiment(
    "budget_inception_unet", InceptionUNet.Config(encoder_weights="none", size=VIEW.size)
)
