"""Ablation of cocolor_vcip: X_N2G is the L* of what F_N paints, not a translator's.

Command: crosschroma train cocolor_vcip_colorizer_translates
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_colorizer_translates",
    method=replace(method, nir_to_gray="colorizer"),
)
