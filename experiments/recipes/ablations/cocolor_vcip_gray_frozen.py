"""Ablation of cocolor_vcip: F_G learns in the first stage only.

Command: crosschroma train cocolor_vcip_gray_frozen
Time:    26 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  fold 0: nir 17.46 dB, SSIM7 .594, AE 5.03 (cocolor_vcip: 17.45, .594, 5.02); fused 17.13,
    .596, 4.95 (17.07, .595, 4.99)
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_gray_frozen",
    method=replace(method, frozen="gray"),
)
