"""ColorMamba, small, on the published VCIP split, whose training pairs hold eight test pairs.

Command: crosschroma train colormamba_small_vcip_official
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ...datasets.vcip import Vcip
from .colormamba_small_vcip import experiment as clean

experiment = replace(
    clean, name="colormamba_small_vcip_official", data=Vcip(protocol_name="vcip-official")
)
