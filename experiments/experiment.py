"""``Experiment``: one typed value that says everything a run computes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from ..datasets.base.adapter import Adapter
from ..datasets.base.bounds import Checked, Count, Decay, Natural, Positive, Seed
from ..datasets.base.errors import UserError
from ..datasets.loading.views import EvalView, TrainView
from ..models.base.method import Method
from .settings import LATER

_NAME = re.compile(r"[^\W_][^/\\\x00-\x1f\x7f]*")


@dataclass(frozen=True, kw_only=True)
class Training(Checked):
    """How a method is trained.

    Attributes:
        steps: optimisation steps.
        batch_size: images an optimisation step, over all processes and micro-batches.
        accumulate: micro-batches an optimisation step; memory falls, gradients stay.
        precision: of the networks' forward passes; losses and weights stay 32-bit.
        sync_batchnorm: on several GPUs, let BatchNorm see all of their images; without, each GPU
            normalises by its own and the running averages are averaged (a CPU always does so).
        clip_norm: largest gradient norm of an optimiser's parameters.
        ema_decay: decay of the weight average that is validated and shipped; see ``ema``.
        schedule: factor on every learning rate: ``constant``; ``cosine`` to 0; ``linear``:
            constant for the first half, then straight to 0 (pix2pix). A method that trains in
            stages begins it anew in each.
        warmup: first steps, in which the factor rises linearly from 0.
        validate_every: steps between validations (0: only after the last step).
        checkpoint_every: steps between checkpoints.
        monitor: validation metric by which ``best.pt`` is kept; of a method in stages, in the last.
        result: the weights that evaluation and inference take: the ``best`` by the monitor, or the
            ``last`` (a GAN: PSNR falls as colours come, and the best are the grayest).
        patience: stop after so many validations without a better one.
        metrics: validation metrics.
        log_every: steps between TensorBoard scalars; ``grid``: validation images shown there.
        minutes: train for so long instead of ``steps``, and let the schedule follow the time.
            Validation and checkpoints come on top. How many steps that were is in the run file;
            a second run makes other steps, and a resumed one those that its remaining time allows.
    """

    _prefix: ClassVar[str] = "training."

    steps: Count = 10_000
    batch_size: Count = 16
    accumulate: Count = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    sync_batchnorm: bool = False
    clip_norm: Positive | None = None
    ema_decay: Decay | None = None
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup: Natural = 0
    validate_every: Natural = 500
    checkpoint_every: Natural = 500
    monitor: str = "PSNR"
    result: Literal["best", "last"] = "best"
    patience: Count | None = None
    metrics: tuple[str, ...] = ("PSNR", "SSIM", "AE")
    log_every: Count = 20
    grid: Natural = 4
    minutes: Positive | None = field(default=None, metadata=LATER)

    def rate_factor(
        self, step: int, part: range | None = None, share: float | None = None
    ) -> float:
        """The factor on the learning rates in optimisation step ``step`` (from 0).

        Args:
            step: in the whole training.
            part: the steps over which warm-up and schedule run; default all.
            share: of the time that is over, where the schedule follows that.
        """
        part = part or range(self.steps)
        step -= part.start
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        done = min(1.0, step / len(part) if share is None else share)
        if self.schedule == "cosine":
            return warm * 0.5 * (1 + math.cos(math.pi * done))
        if self.schedule == "linear":
            return warm * min(1.0, 2 * (1 - done))
        return warm


@dataclass(frozen=True, kw_only=True)
class Hardware(Checked):
    """Where a run computes; it does not change what is computed.

    Attributes:
        accelerator: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        devices: processes on each machine, one a device.
        nodes: machines; start the same command on each under ``torchrun`` or SLURM.
        workers: processes that load images, for each device.
        cache: folder for memory-mapped decoded images; none decodes the files each time.
        tf32: let CUDA round the factors of float32 products and convolutions to 11 bits, which is
            faster; without, float32 is computed in whole. It says so when a run starts.
        compile: let torch.compile make kernels of the networks: minutes at the start, then faster
            steps; results differ by rounding. Needs a C++ compiler.
        backend: what processes talk through: ``nccl`` for GPUs and ``gloo`` for CPUs is ``auto``;
            with ``gloo`` several processes may share a GPU.
    """

    _prefix: ClassVar[str] = "hardware."

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Count = 1
    nodes: Count = 1
    workers: Natural = 2
    cache: Annotated[Path | None, tyro.conf.arg(aliases=["--cache"], metavar="DIR")] = None
    tf32: bool = False
    compile: bool = False
    backend: Literal["auto", "nccl", "gloo"] = "auto"


@dataclass(frozen=True, kw_only=True)
class Experiment(Checked):
    """A method, the data it learns from, and how.

    Attributes:
        name: the recipe's name; names the run's folder and its results row.
        method: what is trained.
        data: where the images come from.
        train_view: geometry and jitter of training images.
        eval_view: geometry of validation and test images, part of the metric protocol.
        training: the schedule.
        seed: of weights, order, augmentation and dropout.
    """

    name: str
    method: Method.Config
    data: Adapter
    train_view: TrainView = field(default_factory=TrainView)
    eval_view: EvalView = field(default_factory=EvalView)
    training: Training = field(default_factory=Training)
    seed: Seed = 0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UserError(
                f"{self.name!r} cannot be an experiment's name, which becomes that of files: it "
                "begins with a letter or digit and has no / or \\"
            )

    def smoke(self) -> Experiment:
        """The same experiment, narrow, small and short: seconds on a CPU, not a result."""
        training = replace(
            self.training,
            steps=2,
            minutes=None,
            batch_size=2,
            accumulate=1,
            validate_every=0,
            checkpoint_every=2,
        )
        return replace(
            self,
            name=f"{self.name}-smoke",
            method=self.method.smoke(),
            train_view=replace(self.train_view, size=64),
            eval_view=replace(self.eval_view, size=64),
            training=training,
        )
