"""Equal budget: budget_student by the KL divergence over channels and MSE in the place of L1.

Command: crosschroma reproduce budget --only budget_student_kl
Time:    16 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 22.80 dB, AE 11.51, ab_std_ratio 0.24; BSDS500 22.50 dB, 11.11, 0.22
"""

from dataclasses import replace

from ._budget import budget_experiment
from .budget_student import experiment as by_l1

experiment = budget_experiment("budget_student_kl", replace(by_l1.method, loss="kl"))
