"""Ablation of cocolor_vcip: gray learns from the pairs alone.

Command: crosschroma train cocolor_vcip_no_photographs
Time:    20 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  fold 0: nir 17.35 dB, SSIM7 .594, AE 4.98; fused 17.11, .597, 4.95 (cocolor_vcip: nir
    17.45, .594, 5.02; fused 17.07, .595, 4.99)
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import pairs

experiment = replace(
    full,
    name="cocolor_vcip_no_photographs",
    data=pairs,
)
