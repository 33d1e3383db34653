"""Equal budget: DDColor, small, on SqueezeNet.

Command: crosschroma reproduce budget --only budget_ddcolor
Time:    not run yet
Result:  not run yet
"""

from ...budget import budget_experiment
from ..ddcolor_small_imagenet_sample import experiment as full

experiment = budget_experiment("budget_ddcolor", full.method)
