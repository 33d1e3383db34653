"""``encoder_unet_vcip_chord_all`` with photographs in simulated NIR among its pairs.

VCIP shows country, fields, forest and mountains only, and what has learnt from it alone paints sky
on walls.

Command: crosschroma train encoder_unet_nir
Time:    33 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  VCIP's 28 test images 17.42 dB, SSIM7 .591, AE 4.94; scene-disjoint 14 17.45 dB, .588,
    5.34. On 40 pairs of RGB-NIR Scene (indoor, street) 17.45 dB, AE 5.61, where
    encoder_unet_vcip_chord_all has 16.24, 4.79 and the NIR itself 16.83, 4.31. Before the angle was
    in its loss: 17.06, 17.25 and 17.37 dB, AE 5.58, 6.11 and 6.45
"""

from dataclasses import replace

from ...datasets.imagenet import ImageNetSample
from ...datasets.mixtures.simulated_nir import PairsAndSimulated
from .encoder_unet_vcip_chord_all import experiment as pairs_only

experiment = replace(
    pairs_only,
    name="encoder_unet_nir",
    data=PairsAndSimulated(pairs=pairs_only.data, photos=ImageNetSample(), share=0.5),
    training=replace(pairs_only.training, steps=1200),
)
