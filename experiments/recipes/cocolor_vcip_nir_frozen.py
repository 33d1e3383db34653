"""cocolor_vcip_nir_spared with F_N frozen after its own stage: what it makes of NIR stays as it is.

F_G and the fusion learn around it, so cooperation shows in the fused results alone.

Command: crosschroma train cocolor_vcip_nir_frozen, after the runs that cocolor_vcip starts from
         crosschroma evaluate runs/cocolor_vcip_nir_frozen --output fused_nir --split validation
Time:    17 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  fold 0: nir 18.00 dB, SSIM7 .590, AE 4.92; fused with nir_as_gray 18.02, .591, 4.86; with
    --seed 1: 17.88, .589, 4.90; 17.90, .590, 4.86. 28 test images: nir 17.48 dB, AE 4.77; fused
    17.46, 4.79; seed 1: 17.35, 4.84; 17.35, 4.82. Given gray, fused 27.11, 5.03
"""

from dataclasses import replace

from .cocolor_vcip_nir_spared import experiment as spared

experiment = replace(
    spared,
    name="cocolor_vcip_nir_frozen",
    method=replace(spared.method, frozen="nir"),
)
