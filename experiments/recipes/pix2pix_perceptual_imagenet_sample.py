"""pix2pix with LSGAN and a perceptual loss for ab on the ImageNet sample (700 photographs).

The loss's network is SqueezeNet, whose weights come with the sample; for VGG16's (torchvision's
download) add --method.extra.backbone vgg16. --method.gan bce is the other choice for the GAN, and
--method.discriminator patch94 the critic with fewer logits. L1 and perceptual loss weigh about the
same.

Command: crosschroma train pix2pix_perceptual_imagenet_sample
Time:    not run yet
Result:  not run yet
"""

from dataclasses import replace

from ...models.base.extra_losses import ExtraLosses
from .pix2pix_imagenet_sample import experiment as plain

experiment = replace(
    plain,
    name="pix2pix_perceptual_imagenet_sample",
    method=replace(
        plain.method,
        gan="lsgan",
        extra=ExtraLosses(perceptual=0.1, backbone="squeezenet1_0"),
    ),
)
