"""Ablation of colormamba_small_vcip: without the pair of 3x3 convolutions in the VSS blocks.

Command: crosschroma train colormamba_small_vcip_no_local_conv
Time:    not run
Result:  not run
"""

from dataclasses import replace

from ..colormamba_small_vcip import experiment as full
from ..colormamba_small_vcip import method

experiment = replace(
    full,
    name="colormamba_small_vcip_no_local_conv",
    method=replace(method, design=replace(method.design, local_conv=False)),
)
