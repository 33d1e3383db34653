"""encoder_unet_vcip with a loss that lets a pair be off by up to two pixels either way.

Command: crosschroma train encoder_unet_vcip_shift_2
"""

from dataclasses import replace

from ..encoder_unet_vcip import experiment as base

experiment = replace(base, name="encoder_unet_vcip_shift_2", method=replace(base.method, shift=2))
