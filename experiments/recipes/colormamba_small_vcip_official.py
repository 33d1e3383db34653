"""ColorMamba, small, on the published VCIP split, whose training pairs hold eight test pairs.

Command: crosschroma train colormamba_small_vcip_official
Time:    about 55 minutes on one core of an Intel Xeon (AMX, bfloat16)
Result:  15.3 dB PSNR, .503 SSIM7, 5.6 degrees AE on the 28 test images, eight of which are training
    pairs; too short a training to learn them by heart (15.1 dB on the eight)
"""

from dataclasses import replace

from ...datasets.vcip import Vcip
from .colormamba_small_vcip import experiment as clean

experiment = replace(
    clean, name="colormamba_small_vcip_official", data=Vcip(protocol_name="vcip-official")
)
