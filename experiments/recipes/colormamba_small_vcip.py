"""ColorMamba, small, on VCIP NIR, trained without the test scenes.

Command: crosschroma train colormamba_small_vcip
Time:    about 55 minutes on one core of an Intel Xeon (AMX, bfloat16)
Result:  15.9 dB PSNR, .522 SSIM7, 5.4 degrees AE on the 28 test images; 16.3 dB, .532, 5.8 on the
    14 scene-disjoint ones. 4000 crops, 14 epochs: the loss is still falling at the end
"""

from ...datasets.loading.views import TrainView
from ...datasets.vcip import Vcip
from ...models.colormamba.method import ColorMamba
from ...models.colormamba.networks import Design
from ..experiment import Experiment, Training

# the critics would take a third of a step for a thousandth of the loss
method = ColorMamba.Config(domain="nir", design=Design.small(), weight_adv=0.0)
experiment = Experiment(
    name="colormamba_small_vcip",
    method=method,
    data=Vcip(protocol_name="vcip-clean"),
    train_view=TrainView(
        size=128, crop_scale=(0.5, 1.0), nir_gain=0.3, nir_gamma=0.3, nir_noise=0.01
    ),
    training=Training(
        steps=1000,
        batch_size=4,
        precision="bf16-mixed",
        schedule="cosine",
        warmup=50,
        ema_decay=0.995,
        clip_norm=1.0,
        validate_every=500,
        checkpoint_every=100,
    ),
)
