"""Ablation of cocolor_vcip: paths agree in features, not in pixels.

Command: crosschroma train cocolor_vcip_feature_consistency_only
Time:    25 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  fold 0: nir 17.44 dB, SSIM7 .594, AE 5.02; fused 17.08, .595, 4.99 (cocolor_vcip: nir
    17.45, .594, 5.02; fused 17.07, .595, 4.99)
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_feature_consistency_only",
    method=replace(method, weight_pixel_consistency=0.0),
)
