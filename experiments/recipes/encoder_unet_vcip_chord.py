"""``encoder_unet_vcip`` with the angle itself in its loss, and more of SSIM.

Command: crosschroma train encoder_unet_vcip_chord
Time:    15 minutes on one core of an Intel Xeon (AMX, bfloat16), beside another run
Result:  fold 0, which chose the step, run as encoder_unet_vcip with these weights as options: 18.01
    dB, SSIM7 .589, AE 4.92; with --seed 1: 17.97, .597, 5.10. The first step of the way,
    weight_chord 0.5 alone: 17.92, .589, 5.14; a step too far, weight_chord 5 and weight_ssim 0.6,
    stopped without a run file: 17.69, AE 5.00 at step 500
"""

from dataclasses import replace

from .encoder_unet_vcip import experiment as before

experiment = replace(
    before,
    name="encoder_unet_vcip_chord",
    method=replace(before.method, weight_angle=0.0, weight_chord=1.5, weight_ssim=0.3),
)
