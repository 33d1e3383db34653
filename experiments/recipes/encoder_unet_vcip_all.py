"""What ``encoder_unet_vcip`` has found on its validation fold, trained on all 336 clean pairs.

Command: crosschroma train encoder_unet_vcip_all
Time:    16 minutes on one core of an Intel Xeon (AMX, bfloat16)
Result:  28 test images 17.69 dB, SSIM7 .582, AE 5.07; scene-disjoint 14 17.88 dB, .582, 5.70
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
