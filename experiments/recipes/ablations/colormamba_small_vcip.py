"""Ablations of colormamba_small_vcip, each one change to its design.

Command: crosschroma train NAME
Time:    not run
Result:  not run
"""

from dataclasses import replace
from typing import Any

from ...experiment import Experiment
from ..colormamba_small_vcip import experiment as full
from ..colormamba_small_vcip import method


def _with(**change: Any) -> Experiment:
    return replace(full, method=replace(method, design=replace(method.design, **change)))


experiments = {
    "colormamba_small_vcip_d_state_1": (
        "one state a channel in the scans, where the recipe has 16",
        _with(d_state=1),
    ),
    "colormamba_small_vcip_d_state_8": (
        "eight states a channel in the scans, where the recipe has 16",
        _with(d_state=8),
    ),
    "colormamba_small_vcip_no_agent_attention": (
        "without agent attention in the VSS blocks",
        _with(agent="none"),
    ),
    "colormamba_small_vcip_no_hsv_branch": (
        "without the HSV network, its maps and its loss",
        _with(hsv_branch=False),
    ),
    "colormamba_small_vcip_no_local_conv": (
        "without the pair of 3x3 convolutions in the VSS blocks",
        _with(local_conv=False),
    ),
    "colormamba_small_vcip_no_padding_token": (
        "scans of the map as it is, without a ring of learned tokens",
        _with(padding="none"),
    ),
    "colormamba_small_vcip_one_direction": (
        "scans along rows only",
        _with(directions=("rows",)),
    ),
    "colormamba_small_vcip_two_directions": (
        "scans along rows and columns, neither backwards",
        _with(directions=("rows", "columns")),
    ),
}
