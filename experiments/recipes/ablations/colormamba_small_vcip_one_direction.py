"""Ablation of colormamba_small_vcip: scans along rows only.

Command: crosschroma train colormamba_small_vcip_one_direction
Time:    not run
Result:  not run
"""

from dataclasses import replace

from ..colormamba_small_vcip import experiment as full
from ..colormamba_small_vcip import method

experiment = replace(
    full,
    name="colormamba_small_vcip_one_direction",
    method=replace(method, design=replace(method.design, directions=("rows",))),
)
