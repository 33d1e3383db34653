"""Equal budget: U-Net, L1 of ab.

Command: crosschroma reproduce budget --only budget_unet
Time:    6 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 22.85 dB, AE 10.85, ab_std_ratio 0.26; BSDS500 22.45 dB, 10.72, 0.22
"""

from ....models.unet import UNet
from ._budget import budget_experiment

experiment = budget_experiment("budget_unet", UNet.Config(domain="gray", width=32))
