"""What ``encoder_unet_vcip_chord`` has found on its validation fold, on all 336 clean pairs.

Command: crosschroma train encoder_unet_vcip_chord_all
Time:    15 minutes on one core of an Intel Xeon (AMX, bfloat16), beside another run
Result:  28 test images 17.68 dB, SSIM7 .587, AE 4.63; scene-disjoint 14 17.72 dB, .585, 5.15; with
    --seed 1: 17.31, .580, 4.82; 17.80, .580, 5.43
"""

from dataclasses import replace

from .encoder_unet_vcip_all import experiment as before
from .encoder_unet_vcip_chord import experiment as on_fold

experiment = replace(before, name="encoder_unet_vcip_chord_all", method=on_fold.method)
