"""ColorMamba at the paper's size on VCIP NIR, trained without the test scenes.

Command: crosschroma train colormamba_vcip
Time:    wants a GPU: 101 million parameters at 256x256
Result:  none
"""

from ...datasets.loading.views import TrainView
from ...datasets.vcip import Vcip
from ...models.colormamba.method import ColorMamba
from ..experiment import Experiment, Training

experiment = Experiment(
    name="colormamba_vcip",
    method=ColorMamba.Config(domain="nir"),
    data=Vcip(protocol_name="vcip-clean"),
    train_view=TrainView(
        size=256, crop_scale=(0.5, 1.0), nir_gain=0.3, nir_gamma=0.3, nir_noise=0.01
    ),
    training=Training(
        steps=12_000,  # about 300 epochs
        batch_size=8,
        precision="bf16-mixed",
        schedule="cosine",
        warmup=200,
        ema_decay=0.999,
        clip_norm=1.0,
    ),
)
