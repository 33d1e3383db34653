"""encoder_unet_vcip with a loss that lets a pair be off by up to two pixels either way.

Command: crosschroma train encoder_unet_vcip_shift_2
Time:    23 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  fold 0: 17.40 dB, SSIM7 .510, AE 5.32, all worse than without
"""

from dataclasses import replace

from ..encoder_unet_vcip import experiment as base

experiment = replace(base, name="encoder_unet_vcip_shift_2", method=replace(base.method, shift=2))
