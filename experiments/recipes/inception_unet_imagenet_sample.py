"""Inception-ResNet v2 under a convolutional decoder, for ab on the ImageNet sample (700 photos).

Half the published side of 400 pixels, so that a CPU can train it: 63 million parameters. The
encoder's ImageNet weights are timm's download, or a file (--method.encoder-weights FILE).

Command: crosschroma train inception_unet_imagenet_sample
Time:    wants a GPU
Result:  none
"""

from ...datasets.imagenet import ImageNetSample
from ...datasets.loading.views import TrainView
from ...models.inception_unet import InceptionUNet
from ..experiment import Experiment, Training

experiment = Experiment(
    name="inception_unet_imagenet_sample",
    method=InceptionUNet.Config(size=200),
    data=ImageNetSample(min_chroma=10.0),
    train_view=TrainView(size=200, crop_scale=(0.6, 1.0)),
    training=Training(
        steps=1000,
        batch_size=8,
        precision="bf16-mixed",
        schedule="cosine",
        validate_every=100,
        checkpoint_every=100,
    ),
)
