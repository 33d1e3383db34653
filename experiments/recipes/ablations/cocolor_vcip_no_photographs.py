"""Ablation of cocolor_vcip: gray learns from the pairs alone.

Command: crosschroma train cocolor_vcip_no_photographs
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import pairs

experiment = replace(
    full,
    name="cocolor_vcip_no_photographs",
    data=pairs,
)
