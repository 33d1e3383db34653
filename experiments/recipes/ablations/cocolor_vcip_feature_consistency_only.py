"""Ablation of cocolor_vcip: paths agree in features, not in pixels.

Command: crosschroma train cocolor_vcip_feature_consistency_only
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_feature_consistency_only",
    method=replace(method, weight_pixel_consistency=0.0),
)
