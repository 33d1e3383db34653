"""Colour as a choice among 313 bins, on a pretrained encoder and 6,800 photographs: lively weights.

The encoder begins as that of the shipped ``hints_photos``, which saw the same photographs for an
hour. Rare colours weigh up to 8 times as much as gray (lambda 0.9; the paper's 0.5: 63 times).
How shares become a colour was chosen on the validation photographs at step 2400.

Command: crosschroma train zhang16_photos
         see encoder_unet_vcip for the encoder's weights without timm's download
Time:    2 hours of one core of an AMD EPYC (float32), beside other processes
Result:  validation 23.45 dB, AE 9.69, dE00 10.09, ab spread .58 of the truth's (``ddcolor_photos``:
    23.42, 9.83, 10.59); test photographs of the ImageNet sample 23.40 dB, AE 9.97, .60, of
    BSDS500 23.03, 9.74, .79
"""

from dataclasses import replace

from ...datasets.loading.views import TrainView
from ...models.zhang16.method import Zhang16
from ..experiment import Experiment
from .hints_photos import experiment as hints

experiment = Experiment(
    name="zhang16_photos",
    method=Zhang16.Config(
        encoder="tf_efficientnet_lite0",
        start="hints_photos",
        width=20,
        uniform=0.9,
        temperature=0.25,
        logit_adjustment=0.1,
        ensemble="flip",
        lr=1e-3,
        weight_decay=0.0,
    ),
    data=hints.data,
    train_view=TrainView(size=160, crop_scale=(0.6, 1.0)),
    training=replace(
        hints.training, steps=3000, validate_every=500, checkpoint_every=100, result="last"
    ),
)
