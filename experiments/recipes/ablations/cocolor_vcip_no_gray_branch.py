"""Ablation of cocolor_vcip: F_N alone, from the pairs alone: no F_G, no translators.

Command: crosschroma train cocolor_vcip_no_gray_branch
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method, pairs

experiment = replace(
    full,
    name="cocolor_vcip_no_gray_branch",
    data=pairs,
    method=replace(method, gray_branch=False),
)
