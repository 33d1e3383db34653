"""Ablation of colormamba_small_vcip: without agent attention in the VSS blocks.

Command: crosschroma train colormamba_small_vcip_no_agent_attention
Time:    not run
Result:  not run
"""

from dataclasses import replace

from ..colormamba_small_vcip import experiment as full
from ..colormamba_small_vcip import method

experiment = replace(
    full,
    name="colormamba_small_vcip_no_agent_attention",
    method=replace(method, design=replace(method.design, agent="none")),
)
