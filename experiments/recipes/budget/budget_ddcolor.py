"""Equal budget: DDColor, small, on SqueezeNet.

Command: crosschroma reproduce budget --only budget_ddcolor
Time:    10 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 22.67 dB, AE 11.07, ab_std_ratio 0.52; BSDS500 22.01 dB, 11.39, 0.65
"""

from dataclasses import replace

from ..ddcolor_small_photos import experiment as full
from ._budget import budget_experiment

experiment = budget_experiment(
    "budget_ddcolor", replace(full.method, encoder="squeezenet1_0", lr=4e-4)
)
