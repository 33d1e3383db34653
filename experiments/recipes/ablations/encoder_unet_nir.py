"""Ablation of encoder_unet_nir: NIR simulated as the pairs respond to colour, more photographs.

Command: crosschroma train encoder_unet_nir_response
Time:    33 minutes on one core of an Intel Xeon (AMX, bfloat16), beside another run
Result:  run once, as encoder_unet_nir at commit 7233990: VCIP's 28 test images 17.28 dB, SSIM7
    .592, AE 5.51; scene-disjoint 14 17.84 dB, .598, 6.05; on 40 pairs of RGB-NIR Scene 16.41 dB,
    AE 4.76. So landscapes gain in PSNR what rooms and streets lose, where NIR is closer to
    luminance: there the NIR itself has 16.83 dB. Without VCIP's category country, scored on it,
    1200 steps each: 16.11 dB, AE 6.35, and encoder_unet_nir 16.04, 6.31
"""

from dataclasses import replace

from ....datasets.mixtures.union import Union
from ..encoder_unet_nir import experiment as by_luminance

experiments = {
    "encoder_unet_nir_response": (
        "NIR simulated as the pairs respond to colour, more photographs",
        replace(
            by_luminance,
            data=replace(by_luminance.data, photos=Union(), simulation="response", draws=4),
            training=replace(by_luminance.training, steps=1800),
        ),
    ),
}
