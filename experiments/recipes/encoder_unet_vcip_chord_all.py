"""What ``encoder_unet_vcip_chord`` has found on its validation fold, on all 336 clean pairs.

Command: crosschroma train encoder_unet_vcip_chord_all
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from .encoder_unet_vcip_all import experiment as before
from .encoder_unet_vcip_chord import experiment as on_fold

experiment = replace(before, name="encoder_unet_vcip_chord_all", method=on_fold.method)
