"""U-Net regression of ab with a perceptual loss on the ImageNet sample (700 photographs).

The loss's network is SqueezeNet, whose weights come with the sample; for VGG16's (torchvision's
download) add --method.extra.backbone vgg16. At its weight both terms push about equally: over gray
pictures L1 is .08 and the distance of SqueezeNet's features 65.

Command: crosschroma train unet_perceptual_imagenet_sample
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ...models.base.extra_losses import ExtraLosses
from .unet_imagenet_sample import experiment as plain

experiment = replace(
    plain,
    name="unet_perceptual_imagenet_sample",
    method=replace(plain.method, extra=ExtraLosses(perceptual=1e-3, backbone="squeezenet1_0")),
)
