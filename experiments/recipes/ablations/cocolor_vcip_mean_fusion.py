"""Ablation of cocolor_vcip: the mean of the paths; the last stage's steps go to the joint one.

Command: crosschroma train cocolor_vcip_mean_fusion
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_mean_fusion",
    method=replace(method, fusion="mean"),
)
