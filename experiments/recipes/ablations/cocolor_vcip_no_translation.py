"""Ablation of cocolor_vcip: F_N(X_N) and F_G(X_G) only, which are to agree with each other.

Command: crosschroma train cocolor_vcip_no_translation
Time:    12 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  fold 0: nir 17.89 dB, SSIM7 .593, AE 5.01 (cocolor_vcip: 17.45, .594, 5.02)
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_no_translation",
    method=replace(method, translation=False),
)
