"""Equal budget: pix2pix, with seven halvings for 128 pixels.

Command: crosschroma reproduce budget --only budget_pix2pix
Time:    not run yet
Result:  not run yet
"""

from ....models.pix2pix import Pix2Pix
from ...budget import budget_experiment

method = Pix2Pix.Config(domain="gray", levels=7)
experiment = budget_experiment("budget_pix2pix", method)
