"""encoder_unet_vcip_all trained on the official list, which holds eight of the test images' pairs.

For the published tables, whose methods were trained on that list; see README on the leak.

Command: crosschroma train encoder_unet_vcip_official
Time:    16 minutes on one core of an Intel Xeon (AMX, bfloat16)
Result:  28 test images, 8 of them trained on: 18.85 dB, SSIM7 .595, AE 4.98; the scene-disjoint 14
    17.36, .577, 5.81
"""

from dataclasses import replace

from ...datasets.vcip import Vcip
from .encoder_unet_vcip_all import experiment as clean

experiment = replace(
    clean, name="encoder_unet_vcip_official", data=Vcip(protocol_name="vcip-official", fold=None)
)
