"""Equal budget: pix2pix with LSGAN and SqueezeNet's features.

Command: crosschroma reproduce budget --only budget_pix2pix_perceptual
Time:    18 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 22.24 dB, AE 12.04, ab_std_ratio 0.41; BSDS500 22.44 dB, 11.11, 0.40
"""

from dataclasses import replace

from ....models.base.extra_losses import ExtraLosses
from ._budget import budget_experiment
from .budget_pix2pix import method as plain

experiment = budget_experiment(
    "budget_pix2pix_perceptual",
    replace(plain, gan="lsgan", extra=ExtraLosses(perceptual=0.1, backbone="squeezenet1_0")),
)
