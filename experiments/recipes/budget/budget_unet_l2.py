"""Equal budget: U-Net, L2 of ab, the regression that paints about half the true deviation.

Command: crosschroma reproduce budget --only budget_unet_l2
Time:    not run yet
Result:  not run yet
"""

from ....models.unet import UNet
from ...budget import budget_experiment

experiment = budget_experiment("budget_unet_l2", UNet.Config(domain="gray", loss="mse", width=32))
