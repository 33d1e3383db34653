"""The recipes of the equal budget: all gray methods trained alike, so that only the method differs.

Command: crosschroma reproduce budget --only NAME
Time:    1 to 18 minutes, 33 for budget_colormamba, on one core of an Intel Xeon (AMX, bfloat16),
    beside other runs
Result:  results/tables/budget.md

budget_student's teacher has had the budget once more, and is to be trained first.
budget_instance_aware has no boxes: without objects to train the other two stages on, ``colorize``
is the picture's branch alone, and the row is that of this branch. Without timm's download,
budget_encoder_unet takes ``--method.encoder-weights FILE``; see encoder_unet_vcip.
"""

from __future__ import annotations

from dataclasses import replace

from ...datasets.bsds500 import Bsds500
from ...datasets.imagenet import ImageNetSample
from ...datasets.loading.views import TrainView
from ...datasets.mixtures.union import Union
from ...models.base.extra_losses import ExtraLosses
from ...models.base.method import Method
from ...models.base.stages import RatedStage
from ...models.inception_unet import InceptionUNet
from ...models.instance_aware.method import InstanceAware
from ...models.nogan.method import Phase
from ...models.pix2pix import Pix2Pix
from ...models.resnet_unet_gan import ResnetUNetGan
from ...models.student import NONE
from ...models.unet import UNet
from ...models.zhang17.method import HintStage, Zhang17
from ..experiment import Experiment, Training
from . import colormamba_small_vcip, student_imagenet_sample
from .ddcolor_small_photos import experiment as ddcolor
from .encoder_unet_imagenet_sample import experiment as encoder_unet
from .nogan_imagenet_sample import experiment as nogan
from .unet_imagenet_sample import experiment as unet_full
from .zhang16_imagenet_sample import experiment as zhang16

TRAINING = Training(
    steps=300,
    batch_size=8,
    precision="bf16-mixed",
    clip_norm=1.0,
    ema_decay=0.99,
    schedule="cosine",
    warmup=30,
    result="last",
    metrics=("PSNR", "SSIM", "AE", "CF_abs"),
    validate_every=100,
    checkpoint_every=100,
)
VIEW = TrainView(size=128, crop_scale=(0.5, 1.0))
_DATA = Union(first=ImageNetSample(min_chroma=10.0), others=(Bsds500(min_chroma=10.0),))


def budget_experiment(method: Method.Config) -> Experiment:
    """A method under the budget: 300 steps of 8 crops of 128x128 pixels, the last weights kept.

    A step is one batch. A GAN trains its two networks on it; a method of stages divides the steps
    among them, see ``stage_steps``. Architecture, losses and learning rate are the method's own.
    """
    return Experiment(name="budget", method=method, data=_DATA, train_view=VIEW, training=TRAINING)


def stage_steps(*shares: float) -> tuple[int, ...]:
    """The budget's steps divided in proportion to ``shares``, each at least one, none left over."""
    total, done, steps = sum(shares), 0.0, []
    for share in shares:
        before = round(TRAINING.steps * done / total)
        done += share
        steps.append(round(TRAINING.steps * done / total) - before)
    return tuple(steps)


_SMALL, _LARGE, _CRITIC, _GAN = stage_steps(12, 6, 4, 8)
_CLASSES, _COLORS, _FINE = stage_steps(8, 16, 6)
_ALONE, _ = stage_steps(2, 1)
_unet = UNet.Config(domain="gray", width=32)
_pix2pix = Pix2Pix.Config(domain="gray", levels=7)
_student = replace(
    student_imagenet_sample.method, teacher=_unet, teacher_weights="runs/budget/budget_unet"
)

experiments = {
    "budget_colormamba": (
        "ColorMamba, small, for gray",
        budget_experiment(replace(colormamba_small_vcip.method, domain="gray")),
    ),
    "budget_ddcolor": (
        "DDColor, small, on SqueezeNet",
        budget_experiment(replace(ddcolor.method, encoder="squeezenet1_0", lr=4e-4)),
    ),
    "budget_encoder_unet": (
        "U-Net on EfficientNet-Lite0, which has learnt from ImageNet",
        budget_experiment(encoder_unet.method),
    ),
    "budget_inception_unet": (
        "Inception-ResNet v2 from scratch under a decoder, at 128x128 pixels",
        budget_experiment(InceptionUNet.Config(encoder_weights="none", size=VIEW.size)),
    ),
    "budget_instance_aware": (
        "instance-aware colorization of photographs that have no boxes",
        budget_experiment(
            InstanceAware.Config(
                width=32, stages=(RatedStage(name="full", steps=TRAINING.steps, lr=5e-4),)
            )
        ),
    ),
    "budget_nogan": (
        "NoGAN on SqueezeNet: feature loss at 64 and 128 pixels, critic, GAN",
        budget_experiment(
            replace(
                nogan.method,
                phases=(
                    Phase(name="generator", steps=_SMALL, lr=1e-3, size=64),
                    Phase(name="generator", steps=_LARGE, lr=3e-4, size=128),
                    Phase(name="critic", steps=_CRITIC, lr=1e-3, size=128),
                    Phase(name="gan", steps=_GAN, lr=5e-5, size=128),
                ),
            )
        ),
    ),
    "budget_pix2pix": (
        "pix2pix, with seven halvings for 128 pixels",
        budget_experiment(_pix2pix),
    ),
    "budget_pix2pix_perceptual": (
        "pix2pix with LSGAN and SqueezeNet's features",
        budget_experiment(
            replace(
                _pix2pix,
                gan="lsgan",
                extra=ExtraLosses(perceptual=0.1, backbone="squeezenet1_0"),
            )
        ),
    ),
    "budget_resnet_unet_gan": (
        "ResNet18 U-Net from scratch, two thirds L1, then a GAN",
        budget_experiment(
            ResnetUNetGan.Config(
                domain="gray", encoder_weights="none", pretrain_steps=_ALONE, pretrain_lr=5e-4
            )
        ),
    ),
    "budget_student": (
        "a small U-Net at a quarter of the resolution learns from budget_unet",
        budget_experiment(_student),
    ),
    "budget_student_alone": (
        "budget_student without its teacher, towards the truth alone",
        budget_experiment(replace(_student, teacher_weights=NONE)),
    ),
    "budget_student_kl": (
        "budget_student by the KL divergence over channels and MSE in the place of L1",
        budget_experiment(replace(_student, loss="kl")),
    ),
    "budget_unet": (
        "U-Net, L1 of ab",
        budget_experiment(_unet),
    ),
    "budget_unet_l2": (
        "U-Net, L2 of ab, the regression whose colours deviate less than the true ones",
        budget_experiment(replace(_unet, loss="mse")),
    ),
    "budget_unet_perceptual": (
        "U-Net, L1 of ab and SqueezeNet's features",
        budget_experiment(
            replace(
                unet_full.method,
                extra=ExtraLosses(perceptual=1e-3, backbone="squeezenet1_0"),
            )
        ),
    ),
    "budget_zhang16": (
        "classification of colour with rare colours weighted up",
        budget_experiment(zhang16.method),
    ),
    "budget_zhang16_l2": (
        "L2 regression of ab by the network of zhang16",
        budget_experiment(replace(zhang16.method, loss="l2")),
    ),
    "budget_zhang17": (
        "classes of colour, then regression with simulated hints; tested without hints",
        budget_experiment(
            Zhang17.Config(
                width=32,
                stages=(
                    HintStage(name="classify", steps=_CLASSES, lr=5e-4, hints=False),
                    HintStage(name="regress", steps=_COLORS, lr=5e-4, hints=True),
                    HintStage(name="regress", steps=_FINE, lr=1e-4, hints=True),
                ),
            )
        ),
    ),
}
