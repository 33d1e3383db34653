"""Ablation of cocolor_vcip: F_N learns from true NIR only, not from translated images.

Command: crosschroma train cocolor_vcip_true_nir_only
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_true_nir_only",
    method=replace(method, learn_translated="gray"),
)
