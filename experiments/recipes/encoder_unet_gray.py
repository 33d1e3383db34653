"""``encoder_unet_imagenet_sample`` on more photographs, for longer, with the angle in its loss.

Besides the ImageNet sample it sees BSDS500's training photographs, much of them nature, and the RGB
of VCIP's clean pairs. The last step is kept: validation PSNR would choose an early, gray one.

Command: crosschroma train encoder_unet_gray
         see encoder_unet_vcip for the encoder's weights without timm's download
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ...datasets.bsds500 import Bsds500
from ...datasets.several import Several
from ...datasets.vcip import Vcip
from .encoder_unet_imagenet_sample import experiment as before

experiment = replace(
    before,
    name="encoder_unet_gray",
    method=replace(before.method, weight_angle=0.0, weight_chord=1.5),
    data=Several(
        first=before.data,
        others=(Bsds500(min_chroma=10.0), Vcip(protocol_name="vcip-clean", fold=None)),
    ),
    training=replace(before.training, steps=3000, result="last", validate_every=500),
)
