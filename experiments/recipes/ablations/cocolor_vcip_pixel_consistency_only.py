"""Ablation of cocolor_vcip: paths agree in pixels, not in features.

Command: crosschroma train cocolor_vcip_pixel_consistency_only
Time:    25 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  fold 0: nir 17.51 dB, SSIM7 .595, AE 4.98; fused 17.18, .596, 4.98 (cocolor_vcip: nir
    17.45, .594, 5.02; fused 17.07, .595, 4.99)
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_pixel_consistency_only",
    method=replace(method, weight_feature_consistency=0.0),
)
