"""Variant of cocolor_vcip_nir_spared: F_N learns in the first stage only.

Command: crosschroma train cocolor_vcip_nir_frozen
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ..cocolor_vcip_nir_spared import experiment as spared

experiment = replace(
    spared,
    name="cocolor_vcip_nir_frozen",
    method=replace(spared.method, frozen="nir"),
)
