"""Equal budget: classification of colour with rare colours weighted up.

Command: crosschroma reproduce budget --only budget_zhang16
Time:    3 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 21.71 dB, AE 14.50, ab_std_ratio 0.24; BSDS500 22.27 dB, 12.70, 0.19
"""

from ..zhang16_imagenet_sample import experiment as full
from ._budget import budget_experiment

experiment = budget_experiment("budget_zhang16", full.method)
