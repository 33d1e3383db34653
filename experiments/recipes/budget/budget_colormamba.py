"""Equal budget: ColorMamba, small, for gray.

Command: crosschroma reproduce budget --only budget_colormamba
Time:    33 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 22.82 dB, AE 11.00, ab_std_ratio 0.34; BSDS500 22.63 dB, 10.60, 0.33
"""

from dataclasses import replace

from ..colormamba_small_vcip import method
from ._budget import budget_experiment

experiment = budget_experiment("budget_colormamba", replace(method, domain="gray"))
