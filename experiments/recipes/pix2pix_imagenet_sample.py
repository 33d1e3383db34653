"""pix2pix for ab on the ImageNet sample (700 photographs).

Command: crosschroma train pix2pix_imagenet_sample
Time:    9 minutes on two cores of an Intel Xeon (AMX, bfloat16)
Result:  22.1 dB PSNR, 12.4 degrees AE on the 100 test photographs after 1600 images: sepia, with
    .63 of the true standard deviation of ab (another run of this seed with one thread: 21.2 dB)
"""

from ...datasets.imagenet import ImageNetSample
from ...datasets.loading.views import TrainView
from ...models.pix2pix import Pix2Pix
from ..experiment import Experiment, Training

experiment = Experiment(
    name="pix2pix_imagenet_sample",
    method=Pix2Pix.Config(domain="gray"),
    data=ImageNetSample(min_chroma=10.0),
    train_view=TrainView(size=256, crop_scale=(0.6, 1.0)),
    training=Training(
        steps=800,
        batch_size=2,
        precision="bf16-mixed",
        schedule="linear",
        result="last",
        validate_every=100,
        checkpoint_every=100,
    ),
)
