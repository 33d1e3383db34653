"""Equal budget: ColorMamba, small, for gray.

Command: crosschroma reproduce budget --only budget_colormamba
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ...budget import budget_experiment
from ..colormamba_small_vcip import method

experiment = budget_experiment("budget_colormamba", replace(method, domain="gray"))
