"""Ablation of colormamba_small_vcip: scans along rows and columns, neither backwards.

Command: crosschroma train colormamba_small_vcip_two_directions
Time:    not run
Result:  not run
"""

from dataclasses import replace

from ..colormamba_small_vcip import experiment as full
from ..colormamba_small_vcip import method

experiment = replace(
    full,
    name="colormamba_small_vcip_two_directions",
    method=replace(method, design=replace(method.design, directions=("rows", "columns"))),
)
