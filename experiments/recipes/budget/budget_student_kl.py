"""Equal budget: budget_student by the KL divergence over channels and MSE in the place of L1.

Command: crosschroma reproduce budget --only budget_student_kl
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ...budget import budget_experiment
from .budget_student import experiment as by_l1

experiment = budget_experiment("budget_student_kl", replace(by_l1.method, loss="kl"))
