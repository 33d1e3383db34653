"""``ddcolor_small_photos`` on five times the photographs, for longer: weights for gray pictures.

Besides the ImageNet sample and BSDS500's training photographs it sees a folder of 5,642 photographs
of nine kinds: clothes, groceries, food, people, streets, animals, things (see results/weights).
It has no critic.

Command: crosschroma train ddcolor_photos
         see encoder_unet_vcip for the encoder's weights without timm's download
Time:    111 minutes of one core of an AMD EPYC (float32), beside other processes
Result:  validation 23.42 dB, AE 9.83, dE00 10.59 at step 3000 (``ddcolor_small_photos``: 22.77,
    10.51, 11.19); the last step 22.60, 10.46, 11.03, more colourful. Test photographs of the
    ImageNet sample 23.15 dB, AE 10.44, of BSDS500 22.50, 10.64
"""

from dataclasses import replace

from ...datasets.bsds500 import Bsds500
from ...datasets.files.folder import Folder
from ...datasets.imagenet import ImageNetSample
from ...datasets.loading.views import TrainView
from ...datasets.mixtures.union import Union
from ...datasets.vcip import Vcip
from .ddcolor_small_photos import experiment as before

experiment = replace(
    before,
    name="ddcolor_photos",
    method=replace(before.method, weight_adv=0.0),
    data=Union(
        first=ImageNetSample(min_chroma=10.0),
        others=(
            Bsds500(min_chroma=10.0),
            Vcip(protocol_name="vcip-clean", fold=None),
            Folder(collection="photos", min_chroma=5.0, validation=0.0, test=0.0),
        ),
    ),
    train_view=TrainView(size=128, crop_scale=(0.6, 1.0)),
    training=replace(
        before.training,
        steps=4200,
        precision="32-true",
        ema_decay=0.998,
        warmup=100,
        result="best",
        validate_every=600,
        checkpoint_every=200,
    ),
)
