"""NoGAN on the ImageNet sample (700 photographs): feature loss at 64 and 128 pixels, then the GAN.

The feature loss is SqueezeNet's and so is the encoder: their weights come with the sample. As
DeOldify has it, with weights that timm and torchvision download: --method.encoder resnet101
--method.encoder-weights imagenet --method.extra.backbone vgg16_bn --method.extra.layers relu3_3 20
relu4_3 70 relu5_3 10 --method.extra.perceptual 1.

Command: crosschroma train nogan_imagenet_sample
Time:    not run yet
Result:  not run yet
"""

from ...datasets.imagenet import ImageNetSample
from ...datasets.loading.views import TrainView
from ...models.base.extra_losses import ExtraLosses
from ...models.nogan.method import NoGan, Phase
from ..experiment import Experiment, Training

_REPEAT = (
    Phase(name="critic", steps=80, lr=1e-4, size=128),
    Phase(name="gan", steps=120, lr=5e-5, size=128),
)

experiment = Experiment(
    name="nogan_imagenet_sample",
    method=NoGan.Config(
        phases=(
            Phase(name="generator", steps=600, lr=1e-3, size=64),
            Phase(name="generator", steps=300, lr=3e-4, size=128),
            Phase(name="critic", steps=150, lr=1e-3, size=64),
            *(_REPEAT * 2),
        ),
        encoder="squeezenet1_0",
        encoder_lr=0.1,
        extra=ExtraLosses(perceptual=1e-3, backbone="squeezenet1_0"),
        critic_width=32,
    ),
    data=ImageNetSample(min_chroma=10.0),
    train_view=TrainView(size=128, crop_scale=(0.5, 1.0)),
    training=Training(
        steps=1450,
        batch_size=8,
        precision="bf16-mixed",
        warmup=20,
        result="last",
        validate_every=50,
        checkpoint_every=50,
    ),
)
