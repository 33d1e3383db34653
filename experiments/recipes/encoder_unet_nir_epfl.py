"""``encoder_unet_nir`` with more pairs and ten times the photographs, for longer.

Its pairs are VCIP's 336 clean ones, whole EPFL photographs of the same kinds of scenes and 20 of
old buildings; its photographs, in simulated NIR, the ImageNet sample's and the collection of
``ddcolor_photos``.

Command: crosschroma train encoder_unet_nir_epfl
Time:    50 minutes of one core of an AMD EPYC (float32), beside other processes (99 with a pause)
Result:  40 pairs of RGB-NIR Scene 17.89 dB, AE 4.59 (``encoder_unet_nir``: 17.45, 5.61); VCIP's 28
    test images 17.46 dB, AE 5.05 (17.42, 4.94), scene-disjoint 14 17.16, 5.69 (17.45, 5.34)
"""

from dataclasses import replace

from ...datasets.epfl_extra import EpflExtra
from ...datasets.files.folder import Folder
from ...datasets.imagenet import ImageNetSample
from ...datasets.mixtures.simulated_nir import PairsAndSimulated
from ...datasets.mixtures.union import Union
from ...datasets.mixtures.vcip_and_epfl import VcipAndEpfl
from ...datasets.vcip import Vcip
from .encoder_unet_nir import experiment as before

_PHOTOS = Folder(collection="photos", min_chroma=5.0, validation=0.0, test=0.0)

experiment = replace(
    before,
    name="encoder_unet_nir_epfl",
    data=PairsAndSimulated(
        pairs=VcipAndEpfl(pairs=Vcip(fold=None), extra=EpflExtra(oldbuilding=True)),
        photos=Union(first=ImageNetSample(min_chroma=10.0), others=(_PHOTOS,)),
        share=0.5,
    ),
    training=replace(before.training, steps=1700, precision="32-true", ema_decay=0.998),
)
