"""U-Net regression on VCIP NIR, trained without the test scenes.

Command: crosschroma train unet_vcip
Time:    21 minutes on one core of an Intel Xeon (AMX, bfloat16), beside another run
Result:  15.8 dB PSNR, .501 SSIM7, 5.8 degrees AE on the 28 test images (best step 900);
    15.9 / .505 / 6.4 on the 14 that share no scene with the official training list
"""

from ...datasets.loading.views import TrainView
from ...datasets.vcip import Vcip
from ...models.unet import UNet
from ..experiment import Experiment, Training

experiment = Experiment(
    name="unet_vcip",
    method=UNet.Config(domain="nir", loss="l1", width=32, lr=1e-3),
    data=Vcip(protocol_name="vcip-clean"),
    train_view=TrainView(
        size=128, crop_scale=(0.5, 0.75), rotate90=False, nir_gain=0.2, nir_gamma=0.2
    ),
    training=Training(
        steps=1000,
        batch_size=12,
        precision="bf16-mixed",
        clip_norm=1.0,
        ema_decay=0.995,
        schedule="cosine",
        warmup=50,
        validate_every=100,
        checkpoint_every=100,
    ),
)
