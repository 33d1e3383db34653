"""Equal budget: U-Net, L2 of ab, the regression that paints less than the true deviation.

Command: crosschroma reproduce budget --only budget_unet_l2
Time:    3 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 22.76 dB, AE 11.18, ab_std_ratio 0.28; BSDS500 22.44 dB, 11.01, 0.25
"""

from ....models.unet import UNet
from ._budget import budget_experiment

experiment = budget_experiment("budget_unet_l2", UNet.Config(domain="gray", loss="mse", width=32))
