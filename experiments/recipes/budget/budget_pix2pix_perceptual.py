"""Equal budget: pix2pix with LSGAN and SqueezeNet's features.

Command: crosschroma reproduce budget --only budget_pix2pix_perceptual
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ....models.extra_losses import ExtraLosses
from ...budget import budget_experiment
from .budget_pix2pix import method as plain

experiment = budget_experiment(
    "budget_pix2pix_perceptual",
    replace(plain, gan="lsgan", extra=ExtraLosses(perceptual=0.1, backbone="squeezenet1_0")),
)
