"""One small budget for every grayscale method, so that their rows differ by the method alone."""

from __future__ import annotations

from ....datasets.bsds500 import Bsds500
from ....datasets.imagenet import ImageNetSample
from ....datasets.loading.views import TrainView
from ....datasets.mixtures.union import Union
from ....models.base.method import Method
from ...experiment import Experiment, Training

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


def budget_experiment(name: str, method: Method.Config) -> Experiment:
    """A method under the budget: 300 steps of 8 crops of 128x128 pixels, the last weights kept.

    A step is one batch. A GAN trains its two networks on it; a method of stages divides the steps
    among them, see ``stage_steps``. Architecture, losses and learning rate are the method's own.

    Args:
        name: of the recipe.
        method: its settings.
    """
    return Experiment(name=name, method=method, data=_DATA, train_view=VIEW, training=TRAINING)


def stage_steps(*shares: float) -> tuple[int, ...]:
    """The budget's steps divided in proportion to ``shares``, each at least one, none left over."""
    total, done, steps = sum(shares), 0.0, []
    for share in shares:
        before = round(TRAINING.steps * done / total)
        done += share
        steps.append(round(TRAINING.steps * done / total) - before)
    return tuple(steps)
