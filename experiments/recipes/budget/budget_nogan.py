"""Equal budget: NoGAN on SqueezeNet: feature loss at 64 and 128 pixels, critic, GAN.

Command: crosschroma reproduce budget --only budget_nogan
Time:    16 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  ImageNet sample 22.79 dB, AE 11.11, ab_std_ratio 0.42; BSDS500 22.61 dB, 10.68, 0.44
"""

from dataclasses import replace

from ....models.nogan.method import Phase
from ..nogan_imagenet_sample import experiment as full
from ._budget import budget_experiment, stage_steps

_SMALL, _LARGE, _CRITIC, _GAN = stage_steps(12, 6, 4, 8)

experiment = budget_experiment(
    "budget_nogan",
    replace(
        full.method,
        phases=(
            Phase(name="generator", steps=_SMALL, lr=1e-3, size=64),
            Phase(name="generator", steps=_LARGE, lr=3e-4, size=128),
            Phase(name="critic", steps=_CRITIC, lr=1e-3, size=128),
            Phase(name="gan", steps=_GAN, lr=5e-5, size=128),
        ),
    ),
)
