"""Equal budget: pix2pix, with seven halvings for 128 pixels.

Command: crosschroma reproduce budget --only budget_pix2pix
Time:    8 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 20.85 dB, AE 13.35, ab_std_ratio 0.88; BSDS500 19.96 dB, 13.45, 1.00
"""

from ....models.pix2pix import Pix2Pix
from ._budget import budget_experiment

method = Pix2Pix.Config(domain="gray", levels=7)
experiment = budget_experiment("budget_pix2pix", method)
