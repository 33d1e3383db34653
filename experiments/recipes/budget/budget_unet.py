"""Equal budget: U-Net, L1 of ab.

Command: crosschroma reproduce budget --only budget_unet
Time:    not run yet
Result:  not run yet
"""

from ....models.unet import UNet
from ...budget import budget_experiment

experiment = budget_experiment("budget_unet", UNet.Config(domain="gray", width=32))
