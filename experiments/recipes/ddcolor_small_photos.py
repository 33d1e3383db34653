"""``ddcolor_small_imagenet_sample`` on EfficientNet-Lite0 and on three sets of photographs.

Besides the ImageNet sample it sees BSDS500's training photographs, much of them nature, and the RGB
of VCIP's clean pairs. The weights come with the package, see results/weights.

Command: crosschroma train ddcolor_small_photos
         see encoder_unet_vcip for the encoder's weights without timm's download
Time:    37 minutes on one core of an Intel Xeon (AMX, bfloat16), beside other runs
Result:  23.3 dB PSNR, 10.4 degrees AE on the 100 test photographs of the ImageNet sample, ab's
    standard deviation .49 of the true one; BSDS500's test photographs: 22.4 dB, 10.7, .75
"""

from dataclasses import replace

from ...datasets.bsds500 import Bsds500
from ...datasets.loading.views import TrainView
from ...datasets.mixtures.union import Union
from ...datasets.vcip import Vcip
from .ddcolor_small_imagenet_sample import experiment as before

experiment = replace(
    before,
    name="ddcolor_small_photos",
    method=replace(before.method, encoder="tf_efficientnet_lite0", lr=3e-4),
    data=Union(
        first=before.data,
        others=(Bsds500(min_chroma=10.0), Vcip(protocol_name="vcip-clean", fold=None)),
    ),
    train_view=TrainView(size=128, crop_scale=(0.5, 1.0)),
)
