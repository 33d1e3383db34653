"""Ablation of colormamba_small_vcip: eight states a channel in the scans, where the recipe has 16.

Command: crosschroma train colormamba_small_vcip_d_state_8
Time:    not run
Result:  not run
"""

from dataclasses import replace

from ..colormamba_small_vcip import experiment as full
from ..colormamba_small_vcip import method

experiment = replace(
    full,
    name="colormamba_small_vcip_d_state_8",
    method=replace(method, design=replace(method.design, d_state=8)),
)
