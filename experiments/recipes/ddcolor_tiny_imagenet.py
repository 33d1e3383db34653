"""DDColor-T on ImageNet as published: 400,000 steps of 16 pictures at 256 x 256.

Command: crosschroma train ddcolor_tiny_imagenet (the large network: --method.encoder
    convnext_large.fb_in22k)
Time:    wants a GPU
Result:  none; the paper has 23.54 dB PSNR and a mean CF of 37.66 on the first 5000
    validation pictures, measured in its own way. Its code stretches pictures to the square; here
    the largest square is cut out.
"""

from ...datasets.imagenet import ImageNet
from ...datasets.loading.views import TrainView
from ...models.ddcolor.method import DDColor
from ..experiment import Experiment, Training

experiment = Experiment(
    name="ddcolor_tiny_imagenet",
    method=DDColor.Config(domain="gray"),
    data=ImageNet(),
    train_view=TrainView(size=256),
    training=Training(
        steps=400_000,
        batch_size=16,
        result="last",
        metrics=("PSNR", "SSIM", "AE", "CF_abs"),
        validate_every=10_000,
        checkpoint_every=10_000,
    ),
)
