"""``Experiment``: one typed value that says everything a run computes."""

from __future__ import annotations

import dataclasses
import importlib
import math
import types
import typing
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ..datasets.errors import UserError
from ..datasets.source import Adapter
from ..datasets.transforms import EvalView, TrainView
from ..models.system import ColorizationSystem

PACKAGE = "crosschroma"


@dataclass(frozen=True, kw_only=True)
class Training:
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
    """

    steps: int = 10_000
    batch_size: int = 16
    accumulate: int = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    sync_batchnorm: bool = False
    clip_norm: float | None = None
    ema_decay: float | None = None
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup: int = 0
    validate_every: int = 500
    checkpoint_every: int = 500
    monitor: str = "PSNR"
    result: Literal["best", "last"] = "best"
    patience: int | None = None
    metrics: tuple[str, ...] = ("PSNR", "SSIM", "AE")
    log_every: int = 20
    grid: int = 4

    def __post_init__(self) -> None:
        """Check the counts."""
        for name in ("steps", "batch_size", "accumulate", "log_every"):
            if getattr(self, name) < 1:
                raise UserError(f"--training.{name.replace('_', '-')} must be at least 1")
        for name in ("validate_every", "checkpoint_every", "warmup", "grid"):
            if getattr(self, name) < 0:
                raise UserError(f"--training.{name.replace('_', '-')} must not be negative")

    def rate_factor(self, step: int, part: range | None = None) -> float:
        """The factor on the learning rates in optimisation step ``step`` (from 0).

        Args:
            step: in the whole training.
            part: the steps over which warm-up and schedule run; default all.
        """
        part = part or range(self.steps)
        step -= part.start
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        done = min(1.0, step / len(part))
        if self.schedule == "cosine":
            return warm * 0.5 * (1 + math.cos(math.pi * done))
        if self.schedule == "linear":
            return warm * min(1.0, 2 * (1 - done))
        return warm


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Where a run computes; it does not change what is computed.

    Attributes:
        accelerator: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        devices: processes on each machine, one a device.
        nodes: machines; start the same command on each under ``torchrun`` or SLURM.
        workers: processes that load images, for each device.
        cache: folder for memory-mapped decoded images; none decodes the files each time.
    """

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = 1
    nodes: int = 1
    workers: int = 2
    cache: Annotated[Path | None, tyro.conf.arg(aliases=["--cache"], metavar="DIR")] = None


@dataclass(frozen=True, kw_only=True)
class Experiment:
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
    method: ColorizationSystem.Config
    data: Adapter
    train_view: TrainView = field(default_factory=TrainView)
    eval_view: EvalView = field(default_factory=EvalView)
    training: Training = field(default_factory=Training)
    seed: int = 0

    def smoke(self) -> Experiment:
        """The same experiment, narrow, small and short: seconds on a CPU, not a result."""
        training = replace(
            self.training, steps=2, batch_size=2, accumulate=1, validate_every=0, checkpoint_every=2
        )
        return replace(
            self,
            name=f"{self.name}-smoke",
            method=self.method.smoke(),
            train_view=replace(self.train_view, size=64),
            eval_view=replace(self.eval_view, size=64),
            training=training,
        )


def to_plain(value: Any) -> Any:
    """Dataclasses as dicts tagged with their type; JSON holds the result, ``from_plain`` reads it.

    Paths become text, tuples become lists.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        module = type(value).__module__.removeprefix(f"{PACKAGE}.")
        plain = {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
        return {"type": f"{module}:{type(value).__qualname__}", **plain}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    return value


def from_plain(data: Any) -> Any:
    """Inverse of ``to_plain``.

    Only classes of this package are looked up, so that a foreign checkpoint names no other code.

    Raises:
        UserError: an unknown type, or a missing or unknown field.
    """
    if isinstance(data, list):
        return tuple(from_plain(item) for item in data)
    if not isinstance(data, dict):
        return data
    cls = _find_class(data.get("type", ""))
    hints = typing.get_type_hints(cls)
    values = {key: value for key, value in data.items() if key != "type"}
    surplus = sorted(values.keys() - {f.name for f in fields(cls)})
    if surplus:
        raise UserError(
            f"{data['type']} has no setting {', '.join(surplus)}: the file was written by another "
            "version of crosschroma"
        )
    try:
        return cls(**{key: _typed(hints[key], value) for key, value in values.items()})
    except TypeError as error:
        raise UserError(f"{data['type']}: {error}") from error


def differences(one: Any, other: Any, prefix: str = "") -> list[str]:
    """Dotted names of the settings in which two plain experiments differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted(one.keys() | other.keys())
        return [
            name
            for key in names
            for name in differences(one.get(key), other.get(key), f"{prefix}{key}.")
        ]
    return [] if one == other else [prefix.removesuffix(".")]


def _find_class(tag: str) -> type:
    module_name, _, qualname = tag.partition(":")
    try:
        found: Any = importlib.import_module(f"{PACKAGE}.{module_name}")
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"unknown settings type '{tag}': {error}") from error
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise UserError(f"'{tag}' is not a settings type")
    return found


def _typed(hint: Any, value: Any) -> Any:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if isinstance(value, str) and Path in options:
        return Path(value)
    return from_plain(value)
