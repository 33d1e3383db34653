"""Ablation of cocolor_vcip: F_G learns in the first stage only.

Command: crosschroma train cocolor_vcip_gray_frozen
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_gray_frozen",
    method=replace(method, frozen="gray"),
)
