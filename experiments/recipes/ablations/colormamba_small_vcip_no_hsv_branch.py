"""Ablation of colormamba_small_vcip: without the HSV network, its maps and its loss.

Command: crosschroma train colormamba_small_vcip_no_hsv_branch
Time:    not run
Result:  not run
"""

from dataclasses import replace

from ..colormamba_small_vcip import experiment as full
from ..colormamba_small_vcip import method

experiment = replace(
    full,
    name="colormamba_small_vcip_no_hsv_branch",
    method=replace(method, design=replace(method.design, hsv_branch=False)),
)
