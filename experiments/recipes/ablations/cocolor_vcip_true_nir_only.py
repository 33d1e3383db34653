"""Ablation of cocolor_vcip: F_N learns from true NIR only, not from translated images.

Command: crosschroma train cocolor_vcip_true_nir_only
Time:    27 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  fold 0: nir 17.91 dB, SSIM7 .593, AE 4.96 (cocolor_vcip: 17.45, .594, 5.02); fused 17.84,
    .600, 4.92 (17.07, .595, 4.99)
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_true_nir_only",
    method=replace(method, learn_translated="gray"),
)
