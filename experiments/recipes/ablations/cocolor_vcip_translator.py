"""Ablation of cocolor_vcip: X_N2G by a translator of its own instead of F_N's L*.

Command: crosschroma train cocolor_vcip_translator
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_translator",
    method=replace(method, nir_to_gray="translator"),
)
