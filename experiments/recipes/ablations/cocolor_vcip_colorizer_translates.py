"""Ablation of cocolor_vcip: X_N2G is the L* of what F_N paints, not a translator's.

Command: crosschroma train cocolor_vcip_colorizer_translates
Time:    28 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  fold 0: nir 17.53 dB, SSIM7 .595, AE 5.02 (cocolor_vcip: 17.45, .594, 5.02); fused 17.54,
    .595, 4.98 (17.07, .595, 4.99)
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_colorizer_translates",
    method=replace(method, nir_to_gray="colorizer"),
)
