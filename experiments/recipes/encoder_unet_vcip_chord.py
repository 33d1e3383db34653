"""``encoder_unet_vcip`` with the angle itself in its loss, and more of SSIM.

Command: crosschroma train encoder_unet_vcip_chord
Time:    15 minutes on one core of an Intel Xeon (AMX, bfloat16), beside another run
Result:  not run yet
"""

from dataclasses import replace

from .encoder_unet_vcip import experiment as before

experiment = replace(
    before,
    name="encoder_unet_vcip_chord",
    method=replace(before.method, weight_angle=0.0, weight_chord=1.5, weight_ssim=0.3),
)
