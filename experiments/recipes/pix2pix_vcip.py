"""pix2pix on VCIP NIR, trained without the test scenes.

Command: crosschroma train pix2pix_vcip
Time:    20 minutes on one core of an Intel Xeon (AMX, bfloat16), beside another run
Result:  14.1 dB PSNR, .316 SSIM7, 7.1 degrees AE on the 28 test images after 1600 images: six
    epochs, far from trained (the paper trains 200)
"""

from ...datasets.loading.views import TrainView
from ...datasets.vcip import Vcip
from ...models.pix2pix import Pix2Pix
from ..experiment import Experiment, Training

experiment = Experiment(
    name="pix2pix_vcip",
    method=Pix2Pix.Config(domain="nir"),
    data=Vcip(protocol_name="vcip-clean"),
    train_view=TrainView(size=256, crop_scale=(0.6, 1.0), nir_gain=0.2, nir_gamma=0.2),
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
