"""Ablation of colormamba_small_vcip: scans of the map as it is, without a ring of learned tokens.

Command: crosschroma train colormamba_small_vcip_no_padding_token
Time:    not run
Result:  not run
"""

from dataclasses import replace

from ..colormamba_small_vcip import experiment as full
from ..colormamba_small_vcip import method

experiment = replace(
    full,
    name="colormamba_small_vcip_no_padding_token",
    method=replace(method, design=replace(method.design, padding="none")),
)
