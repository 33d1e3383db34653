"""encoder_unet_vcip with an encoder that starts from random weights and learns at the full rate.

Command: crosschroma train encoder_unet_vcip_not_pretrained
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..encoder_unet_vcip import experiment as base

experiment = replace(
    base,
    name="encoder_unet_vcip_not_pretrained",
    method=replace(base.method, encoder_weights="none", encoder_lr=1.0),
)
