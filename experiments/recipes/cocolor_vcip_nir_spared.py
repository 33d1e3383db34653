"""cocolor_vcip with F_N spared: it translates by its own L*, and learns from true NIR only.

Command: crosschroma train cocolor_vcip_nir_spared, after the runs that cocolor_vcip starts from
         crosschroma evaluate runs/cocolor_vcip_nir_spared --output nir, and --split validation
Time:    20 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  fold 0: nir 17.91 dB, SSIM7 .592, AE 4.97; fused with nir_as_gray 17.94, .593, 4.90
    (cocolor_vcip: 17.45, .594, 5.02; 17.07, .595, 4.99). 28 test images: nir 17.52 dB, AE 4.79;
    fused 17.52, 4.75; nir_as_gray 17.42, 5.02 (cocolor_vcip: 13.62). Given gray, fused 27.07, 5.05
"""

from dataclasses import replace

from .cocolor_vcip import experiment as full
from .cocolor_vcip import method

experiment = replace(
    full,
    name="cocolor_vcip_nir_spared",
    method=replace(method, nir_to_gray="colorizer", learn_translated="gray"),
)
