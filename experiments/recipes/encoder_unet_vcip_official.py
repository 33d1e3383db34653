"""encoder_unet_vcip_all trained on the official list, which holds eight of the test images' pairs.

For the published tables, whose methods were trained on that list; see README on the leak.

Command: crosschroma train encoder_unet_vcip_official
Time:    16 minutes on one core of an Intel Xeon (AMX, bfloat16)
Result:  not run yet
"""

from dataclasses import replace

from ...datasets.vcip import Vcip
from .encoder_unet_vcip_all import experiment as clean

experiment = replace(
    clean, name="encoder_unet_vcip_official", data=Vcip(protocol_name="vcip-official", fold=None)
)
