"""ColorMamba as its public code trains it, on the published VCIP split.

The code halves its learning rate every 50 of 1000 epochs, so that the last 600 change nothing;
here a cosine takes it to zero in 400 epochs. Its output is the stretched image: of its row, the
columns named -minmax are the ones to compare with the published figure.

Command: crosschroma train colormamba_released_vcip_official
Time:    wants a GPU: 100 million parameters at 256x256
Result:  none
"""

from ...datasets.loading.views import TrainView
from ...datasets.vcip import Vcip
from ...models.colormamba.method import ColorMambaReleased
from ..experiment import Experiment, Training

experiment = Experiment(
    name="colormamba_released_vcip_official",
    method=ColorMambaReleased.Config(domain="nir"),
    data=Vcip(protocol_name="vcip-official"),
    train_view=TrainView(size=256, crop_scale=(200 / 256, 200 / 256)),
    training=Training(
        steps=18_800,
        batch_size=8,
        schedule="cosine",
        metrics=("PSNR-minmax", "SSIM7-minmax", "AE-minmax"),
        monitor="PSNR-minmax",
    ),
)
