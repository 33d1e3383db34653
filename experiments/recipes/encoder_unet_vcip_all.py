"""What ``encoder_unet_vcip`` has found on its validation fold, trained on all 336 clean pairs.

These are the weights that come with the package, see results/weights.

Command: crosschroma train encoder_unet_vcip_all
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ...datasets.vcip import Vcip
from .encoder_unet_vcip import experiment as on_fold

experiment = replace(
    on_fold,
    name="encoder_unet_vcip_all",
    data=Vcip(protocol_name="vcip-clean", fold=None),
    training=replace(on_fold.training, result="last"),
)
