"""Ablation of cocolor_vcip: F_N(X_N) and F_G(X_G) only, which are to agree with each other.

Command: crosschroma train cocolor_vcip_no_translation
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_no_translation",
    method=replace(method, translation=False),
)
