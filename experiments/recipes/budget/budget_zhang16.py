"""Equal budget: classification of colour with rare colours weighted up.

Command: crosschroma reproduce budget --only budget_zhang16
Time:    not run yet
Result:  not run yet
"""

from ...budget import budget_experiment
from ..zhang16_imagenet_sample import experiment as full

experiment = budget_experiment("budget_zhang16", full.method)
