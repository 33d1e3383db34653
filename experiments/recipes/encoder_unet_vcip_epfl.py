"""``encoder_unet_vcip_chord`` with whole EPFL photographs among its training pairs, for longer.

Command: crosschroma train encoder_unet_vcip_epfl
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ...datasets.mixtures.vcip_and_epfl import VcipAndEpfl
from .encoder_unet_vcip_chord import experiment as before

experiment = replace(
    before,
    name="encoder_unet_vcip_epfl",
    data=VcipAndEpfl(),
    training=replace(
        before.training, steps=2400, precision="32-true", ema_decay=0.998, validate_every=300
    ),
)
