"""Ablation of cocolor_vcip: the mean of the paths; the last stage's steps go to the joint one.

Command: crosschroma train cocolor_vcip_mean_fusion
Time:    25 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  fold 0: mean 16.71 dB, SSIM7 .592, AE 5.00; nir 17.48, .594, 5.05 (cocolor_vcip:
    fused 17.07, .595, 4.99; nir 17.45, .594, 5.02)
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_mean_fusion",
    method=replace(method, fusion="mean"),
)
