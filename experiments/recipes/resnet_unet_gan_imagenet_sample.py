"""ResNet18 U-Net, L1 first and then a GAN, for ab on the ImageNet sample (700 photographs).

ResNet18's ImageNet weights are timm's download, or a file (--method.encoder-weights FILE). Without
either, --method.encoder squeezenet1_0 has weights beside the sample, in a decoder that costs more.

Command: crosschroma train resnet_unet_gan_imagenet_sample
Time:    not run yet
Result:  not run yet
"""

from ...datasets.imagenet import ImageNetSample
from ...datasets.loading.views import TrainView
from ...models.resnet_unet_gan import ResnetUNetGan
from ..experiment import Experiment, Training

experiment = Experiment(
    name="resnet_unet_gan_imagenet_sample",
    method=ResnetUNetGan.Config(domain="gray", pretrain_steps=800, pretrain_lr=5e-4),
    data=ImageNetSample(min_chroma=10.0),
    train_view=TrainView(size=128, crop_scale=(0.5, 0.75)),
    training=Training(
        steps=1000,
        batch_size=8,
        precision="bf16-mixed",
        schedule="linear",
        result="last",
        validate_every=100,
        checkpoint_every=100,
    ),
)
