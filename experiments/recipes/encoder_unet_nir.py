"""``encoder_unet_vcip_chord_all`` with photographs in simulated NIR among its pairs.

VCIP shows country, fields, forest and mountains only, and what has learnt from it alone paints sky
on walls. These weights come with the package, for NIR pictures of anything: `colorize` takes them
unless told otherwise.

Command: crosschroma train encoder_unet_nir
Time:    18 minutes on one core of an Intel Xeon (AMX, bfloat16)
Result:  VCIP's 28 test images 17.06 dB, SSIM7 .578, AE 5.58; scene-disjoint 14 17.25 dB, .577,
    6.11. On the six test images of RGB-NIR Scene at hand (indoor, street), 17.16 dB, where
    encoder_unet_vcip_all has 14.53 and the NIR itself 17.23
"""

from dataclasses import replace

from ...datasets.imagenet import ImageNetSample
from ...datasets.simulated_nir import PairsAndSimulated
from .encoder_unet_vcip_chord_all import experiment as pairs_only

experiment = replace(
    pairs_only,
    name="encoder_unet_nir",
    data=PairsAndSimulated(pairs=pairs_only.data, photos=ImageNetSample(), share=0.5),
    training=replace(pairs_only.training, steps=1200),
)
