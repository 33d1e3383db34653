"""Ablations of cocolor_vcip, each one change.

Command: crosschroma train NAME
Time:    8 minutes without the gray branch, 12 without translation, 20 without photographs, 25 to 28
    for each of the others, on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  fold 0 in results/tables/vcip_folds.md
"""

from dataclasses import replace
from typing import Any

from ...experiment import Experiment
from ..cocolor_vcip import experiment as full
from ..cocolor_vcip import method, pairs


def _with(**changes: Any) -> Experiment:
    return replace(full, method=replace(method, **changes))


experiments = {
    "cocolor_vcip_colorizer_translates": (
        "X_N2G is the L* of what F_N predicts, not a translator's",
        _with(nir_to_gray="colorizer"),
    ),
    "cocolor_vcip_feature_consistency_only": (
        "paths agree in features, not in pixels",
        _with(weight_pixel_consistency=0.0),
    ),
    "cocolor_vcip_gray_frozen": (
        "F_G learns in the first stage only",
        _with(frozen="gray"),
    ),
    "cocolor_vcip_mean_fusion": (
        "the mean of the paths; the last stage's steps go to the joint one",
        _with(fusion="mean"),
    ),
    "cocolor_vcip_no_gray_branch": (
        "F_N alone, from the pairs alone: no F_G, no translators",
        replace(_with(gray_branch=False), data=pairs),
    ),
    "cocolor_vcip_no_photographs": (
        "gray learns from the pairs alone",
        replace(full, data=pairs),
    ),
    "cocolor_vcip_no_translation": (
        "F_N(X_N) and F_G(X_G) only, which are to agree with each other",
        _with(translation=False),
    ),
    "cocolor_vcip_pixel_consistency_only": (
        "paths agree in pixels, not in features",
        _with(weight_feature_consistency=0.0),
    ),
    "cocolor_vcip_true_nir_only": (
        "F_N learns from true NIR only, not from translated images",
        _with(learn_translated="gray"),
    ),
}
