"""Ablation of cocolor_vcip: paths agree in pixels, not in features.

Command: crosschroma train cocolor_vcip_pixel_consistency_only
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_pixel_consistency_only",
    method=replace(method, weight_feature_consistency=0.0),
)
