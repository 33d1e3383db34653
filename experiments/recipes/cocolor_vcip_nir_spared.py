"""Variant of cocolor_vcip: F_N translates by its L*, and learns from true NIR only.

Command: crosschroma train cocolor_vcip_nir_spared
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from .cocolor_vcip import experiment as full
from .cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_nir_spared",
    method=replace(method, nir_to_gray="colorizer", learn_translated="gray"),
)
