"""Equal budget: L2 regression of ab by the network of zhang16.

Command: crosschroma reproduce budget --only budget_zhang16_l2
Time:    not run yet
Result:  not run yet
"""

from ...budget import budget_experiment
from ..zhang16_l2_imagenet_sample import experiment as full

experiment = budget_experiment("budget_zhang16_l2", full.method)
