"""Small pix2pix on generated scenes, NIR to RGB: part of `make demo`.

Command: crosschroma train pix2pix_scenes_nir
Time:    110 s of processor time beside other work
Result:  17.5 dB PSNR, 7.3 degrees AE on 32 scenes
"""

from ...datasets.loading.views import EvalView, TrainView
from ...datasets.scenes.adapter import Scenes
from ...models.pix2pix import Pix2Pix
from ..experiment import Experiment, Training

experiment = Experiment(
    name="pix2pix_scenes_nir",
    method=Pix2Pix.Config(domain="nir", width=16, levels=6, discriminator_width=16),
    data=Scenes(size=128, count_validation=16, count_test=32),
    train_view=TrainView(size=128),
    eval_view=EvalView(size=128),
    training=Training(
        steps=300,
        batch_size=4,
        schedule="linear",
        result="last",
        validate_every=100,
        checkpoint_every=100,
    ),
)
