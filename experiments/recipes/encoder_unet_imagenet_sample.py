"""U-Net on an ImageNet-pretrained EfficientNet-Lite0, on the ImageNet sample.

Command: crosschroma train encoder_unet_imagenet_sample
         see encoder_unet_vcip for the encoder's weights without timm's download
Time:    9 minutes on one core of an Intel Xeon (AMX, bfloat16), beside a test run
Result:  23.3 dB PSNR, 10.6 degrees AE on the 100 test photographs; ab's standard deviation is .23
    of the true one: validation PSNR chooses an early, gray step (angle and SSIM improve later)
"""

from ...datasets.imagenet import ImageNetSample
from ...datasets.loading.views import TrainView
from ...models.encoder_unet import EncoderUNet
from ..experiment import Experiment, Training

experiment = Experiment(
    name="encoder_unet_imagenet_sample",
    method=EncoderUNet.Config(domain="gray", encoder="tf_efficientnet_lite0", width=20),
    data=ImageNetSample(min_chroma=10.0),
    train_view=TrainView(size=128, crop_scale=(0.5, 1.0)),
    training=Training(
        steps=800,
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
