"""Ablation of cocolor_vcip: F_N alone, from the pairs alone: no F_G, no translators.

Command: crosschroma train cocolor_vcip_no_gray_branch
Time:    8 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  fold 0: nir 17.98 dB, SSIM7 .597, AE 4.94 (cocolor_vcip: 17.45, .594, 5.02); with --seed 1:
    17.99, .597, 4.90
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
