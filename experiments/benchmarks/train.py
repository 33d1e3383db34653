"""What the suite adds to a training step: the engine beside the same step in a bare loop."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
import tyro
from rich.table import Table
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from ...datasets.base.batch import Batch, to_device
from ...datasets.base.bounds import Count, Natural
from ...datasets.base.color import AB_SCALE, rgb_to_lab
from ...datasets.base.errors import UserError
from ...datasets.base.outputs import JsonOutput
from ...datasets.loading.cache import cached
from ...datasets.loading.loader import train_loader
from ...datasets.scenes.adapter import Scenes
from ...models.base.method import Method
from ...models.pix2pix import Pix2Pix
from ...models.unet import UNet
from .. import recipe_list
from ..evaluation.timing import (
    Timing,
    device_clock,
    device_name,
    machine,
    race,
    save_benchmark,
    torch_threads,
    versions,
)
from ..experiment import Experiment, Hardware, Training
from ..training.devices import make_fabric
from ..training.engine import Run, StoppedError

BARE, LOADING = "bare loop", "bare loop, batches loaded"
SUITE, SUITE_EMA = "crosschroma", "crosschroma, EMA"
RECIPES = ("unet_imagenet_sample", "pix2pix_imagenet_sample")
_TARGET = 1.1
_IN_MEMORY = 8  # batches that the bare loop goes through again and again
_EMA_DECAY = 0.995
_ENDLESS = 10**9

BareStep = Callable[[Batch], None]


@dataclass(frozen=True, kw_only=True)
class TrainBenchmark:
    """What ``bench_train`` measured, and on what.

    Attributes:
        timings: by recipe; seconds a step, and the ratio of the reference's time to this one's.
        cost: by recipe and way, time over that of the bare loop with its batches in memory.
        target: the most that ``cost`` should be.
        steps: by recipe, what a step is of.
        timed: which time: of the processor, or by the wall clock.
        turn: steps that a way makes before the next has its turn.
    """

    timings: dict[str, list[Timing]]
    cost: dict[str, dict[str, float]]
    target: float
    steps: dict[str, str]
    timed: str
    device: str
    threads: int
    workers: int
    turn: int
    repeats: int
    machine: dict[str, Any]
    versions: dict[str, str]

    def __rich__(self) -> Table:
        """The figures as a table, for ``rich.print``."""
        title = f"a training step, {self.timed} ({self.threads} threads)"
        table = Table("", "way", "ms", "p10", "p90", "times", "target", title=title)
        for recipe, timings in self.timings.items():
            for timing in timings:
                milliseconds = (1000 * s for s in (timing.median, timing.p10, timing.p90))
                table.add_row(
                    recipe,
                    timing.name,
                    *(f"{value:.4g}" for value in milliseconds),
                    f"{self.cost[recipe][timing.name]:.3f}",
                    f"{self.target:g}" if timing.name in (SUITE, SUITE_EMA) else "",
                )
        return table


def bench_train(
    out: JsonOutput = Path("results/benchmarks/train.json"),
    *,
    recipes: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = RECIPES,
    smoke: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    device: Literal["cpu", "cuda"] = "cpu",
    threads: Count = 1,
    workers: Natural = 0,
    turn: Count = 5,
    repeats: Count = 9,
) -> TrainBenchmark:
    """A step of ``fit`` beside the same network, loss, optimiser, batch and precision in a loop.

    Ours loads its batches from the cache (generated scenes stand for the recipe's data), checks,
    logs to TensorBoard once in a turn, and averages weights or not. The bare loop, the reference,
    has its batches in memory; another loads the same batches as ours. The loops take turns.

    Args:
        out: JSON file to write.
        recipes: of the methods ``unet`` and ``pix2pix``, for gray pictures.
        smoke: their smallest form: what the suite adds, beside a network of milliseconds.
        device: where.
        threads: of torch, on the CPU; with one, time is the processor's.
        workers: processes that load batches.
        turn: steps that a loop makes before the next has its turn.
        repeats: how often each loop has its turn.

    Raises:
        UserError: a recipe of another method, or with losses that the bare loop has not.
    """
    experiments = {name: recipe_list.load_recipe(name) for name in recipes}
    if smoke:
        experiments = {name: known.smoke() for name, known in experiments.items()}
    own_time = device == "cpu" and threads == 1 and workers == 0
    clock = time.process_time if own_time else device_clock(device)
    hardware = Hardware(accelerator=device, workers=workers)
    with torch_threads(threads):
        timings = {
            name: measure(known, hardware, turn, repeats, clock)
            for name, known in experiments.items()
        }
        result = TrainBenchmark(
            timings=timings,
            cost={
                name: {timing.name: round(1 / timing.ratio, 3) for timing in some}
                for name, some in timings.items()
            },
            target=_TARGET,
            steps={name: _described(known) for name, known in experiments.items()},
            timed="CPU time" if own_time else "wall time",
            device=device_name(device),
            threads=threads,
            workers=workers,
            turn=turn,
            repeats=repeats,
            machine=machine(),
            versions=versions("torch", "lightning-fabric", "tensorboard"),
        )
    save_benchmark(result, out)
    return result


def measure(
    experiment: Experiment,
    hardware: Hardware,
    turn: int,
    repeats: int,
    clock: Callable[[], float] = time.process_time,
) -> list[Timing]:
    """Seconds a step of each way, the reference first; arguments as ``bench_train``'s.

    Raises:
        UserError: as ``bench_train``.
    """
    experiment = as_measured(experiment, turn)
    averaged = replace(experiment.training, ema_decay=_EMA_DECAY)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        hardware = replace(hardware, cache=folder / "cache")
        loaded = loaded_batches(experiment, hardware)
        stack.callback(loaded.close)
        memory = itertools.cycle(list(itertools.islice(loaded, _IN_MEMORY)))
        device = make_fabric(experiment, hardware).device
        candidates: dict[str, Callable[[], object]] = {}
        for label, batches in ((BARE, memory), (LOADING, loaded)):
            step = bare_step(experiment.method.build(), experiment, device)
            candidates[label] = _turns(map(step, batches), turn)
        for label, setup in (
            (SUITE, experiment),
            (SUITE_EMA, replace(experiment, training=averaged)),
        ):
            run = Run(setup, folder / label, hardware, make_fabric(setup, hardware))
            steps = stack.enter_context(contextlib.closing(run.steps(shown=False)))
            candidates[label] = _turns(steps, turn)
        try:
            timings = race(candidates, repeats, reference=BARE, clock=clock)
        except StoppedError:
            raise KeyboardInterrupt from None
    return [_of_one_step(timing, turn) for timing in timings]


def as_measured(experiment: Experiment, log_every: int) -> Experiment:
    """An experiment on generated scenes that neither validates, saves, averages nor ends."""
    training = replace(
        experiment.training,
        steps=_ENDLESS,
        ema_decay=None,
        schedule="constant",
        warmup=0,
        validate_every=0,
        checkpoint_every=0,
        log_every=log_every,
    )
    scenes = Scenes(
        size=2 * experiment.train_view.size, count_train=32, count_validation=1, count_test=1
    )
    return replace(experiment, data=scenes, training=training)


def loaded_batches(experiment: Experiment, hardware: Hardware) -> Generator[Batch, None, None]:
    """The batches that ``fit`` trains on, from the same cache file, on the CPU."""
    data = experiment.data
    assert hardware.cache is not None
    source = cached(data.split("train"), hardware.cache, f"{data.protocol}-train")
    yield from train_loader(
        source,
        experiment.train_view,
        experiment.training.batch_size,
        workers=hardware.workers,
        seed=experiment.seed,
    )


def bare_step(method: Method, experiment: Experiment, device: torch.device) -> BareStep:
    """A training step of an experiment without the suite.

    Args:
        method: whose networks are trained.
        experiment: says how.
        device: where.

    Raises:
        UserError: what the bare loop does not know.
    """
    training = experiment.training
    reason = _not_bare(experiment, method.stride)
    if reason:
        raise UserError(
            f"{experiment.name}: the bare loop knows {reason}; choose such a recipe, as "
            f"{' or '.join(RECIPES)}"
        )
    method.to(device, memory_format=torch.channels_last).train()  # pyright: ignore
    half = training.precision == "bf16-mixed"
    autocast = partial(torch.autocast, device.type, torch.bfloat16, enabled=half)
    step = _MAKERS[type(method)](method, training, autocast)
    return lambda batch: step(to_device(batch, device))


def _not_bare(experiment: Experiment, stride: int) -> str:
    """What the bare loop knows and the experiment has not, or ""."""
    config, training = experiment.method, experiment.training
    free = _FREE.get(config.method_class)
    if free is None:
        return "unet and pix2pix"
    settings = {name: getattr(config, name) for name in free}
    if config != type(config)(domain="gray", **settings):  # pyright: ignore[reportCallIssue]
        return "gray pictures and the losses that a method has by itself"
    if training.precision == "16-mixed" or training.accumulate > 1:
        return "32-true and bf16-mixed without micro-batches"
    if experiment.train_view.size % stride:
        return f"sizes that are multiples of {stride}"
    return ""


def _bare_unet(method: UNet, training: Training, autocast: Callable[[], Any]) -> BareStep:
    generator = method.generator
    optimizer = torch.optim.Adam(generator.parameters(), lr=method.config.lr)

    def step(batch: Batch) -> None:
        with autocast():
            output = generator(2 * batch["gray"] - 1)
        loss = (output.float() - _target(batch)).abs().mean()
        loss.backward()
        if training.clip_norm is not None:
            clip_grad_norm_(generator.parameters(), training.clip_norm)
        optimizer.step()
        optimizer.zero_grad()

    return step


def _bare_pix2pix(method: Pix2Pix, training: Training, autocast: Callable[[], Any]) -> BareStep:
    generator, discriminator, config = method.generator, method.discriminator, method.config
    optimizer_g, optimizer_d = (
        torch.optim.Adam(network.parameters(), lr=config.lr, betas=(config.beta1, 0.999))
        for network in (generator, discriminator)
    )

    def update(optimizer: torch.optim.Optimizer, network: torch.nn.Module, loss: Tensor) -> None:
        loss.backward()
        if training.clip_norm is not None:
            clip_grad_norm_(network.parameters(), training.clip_norm)
        optimizer.step()
        optimizer.zero_grad()

    def step(batch: Batch) -> None:
        plane, target = 2 * batch["gray"] - 1, _target(batch)
        with autocast():
            output = generator(plane)
        output = output.float()
        with autocast():
            real, fake = discriminator(plane, target), discriminator(plane, output.detach())
        loss = 0.5 * (_toward(real.float(), 1.0) + _toward(fake.float(), 0.0))
        update(optimizer_d, discriminator, loss)
        discriminator.requires_grad_(False)
        with autocast():
            fake = discriminator(plane, output)
        adv, l1 = _toward(fake.float(), 1.0), (output - target).abs().mean()
        loss = adv + config.weight_l1 * l1
        update(optimizer_g, generator, loss)
        discriminator.requires_grad_(True)

    return step


_MAKERS: dict[type[Method], Callable[..., BareStep]] = {
    UNet: _bare_unet,
    Pix2Pix: _bare_pix2pix,
}
# settings that the bare loops follow
_FREE: dict[type[Method], tuple[str, ...]] = {
    UNet: ("width", "levels", "norm", "lr"),
    Pix2Pix: (
        *("width", "levels", "dropout", "lr", "beta1", "weight_l1"),
        *("discriminator", "discriminator_width"),
    ),
}


def _target(batch: Batch) -> Tensor:
    return rgb_to_lab(batch["rgb"])[:, 1:] / AB_SCALE


def _toward(logits: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def _turns(steps: Iterator[object], turn: int) -> Callable[[], object]:
    """A function that makes the next ``turn`` steps."""
    return lambda: [next(steps) for _ in range(turn)]


def _of_one_step(timing: Timing, turn: int) -> Timing:
    low, median, high = (
        float(f"{seconds / turn:.4g}") for seconds in (timing.p10, timing.median, timing.p90)
    )
    return replace(timing, p10=low, median=median, p90=high)


def _described(experiment: Experiment) -> str:
    training, size = experiment.training, experiment.train_view.size
    count = sum(p.numel() for p in experiment.method.build().parameters())
    return (
        f"{experiment.method.method_class.name}, {count:,} parameters, {training.batch_size} x "
        f"{size}x{size}, {training.precision}"
    )
