"""Ablation of cocolor_vcip: F_N learns from X_G2N, too.

Command: crosschroma train cocolor_vcip_both_learn_translated
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_both_learn_translated",
    method=replace(method, learn_translated="both"),
)
