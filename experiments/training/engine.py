"""The training loop: order, checkpoints, validation and logs, for any ``Method``."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer
from torch import Tensor

from ...datasets.base.batch import Batch
from ...datasets.base.errors import UserError
from ...datasets.loading.loader import on_device, train_loader
from ...models.base.method import require
from ..artifacts import checkpoint
from ..artifacts.provenance import provenance
from ..artifacts.tensorboard import TensorBoard
from ..evaluation.evaluate import evaluate
from ..experiment import Experiment, Hardware
from ..metrics.definitions import METRICS
from ..settings import from_plain, to_plain
from .devices import StopRequest, close_processes, make_fabric, stop_on_signal, vote_group
from .ema import WeightAverage
from .optimizers import fuse, load_state
from .picture_grid import picture_grid
from .preflight import (
    check_minutes,
    check_monitor,
    check_precision,
    check_same_experiment,
    micro_batch_size,
)
from .progress import ProgressLine, metrics_text
from .run_folder import refuse_overwriting, run_folder
from .run_progress import Progress
from .skipped import SkippedImages
from .sources import training_sources
from .start import begin
from .step import LossWatch, MicroStep, numbers


class StoppedError(UserError):
    """The run was asked to stop (SIGTERM, Ctrl-C) and has saved itself."""


def fit(
    experiment: Experiment,
    run: Path,
    hardware: Hardware,
    resume: bool = False,
    overwrite: bool = False,
    start: str = "",
    skip_broken: bool = False,
) -> bool:
    """Train an experiment into the folder ``run``.

    Writes ``last.pt`` (everything), ``best.pt`` (the weights that did best on validation) and
    TensorBoard events. With ``resume`` a run goes on from ``last.pt``; on a CPU it ends
    bit-identical to one that was never stopped. With ``overwrite`` a run that is there is deleted.
    A new one begins with the weights of the run ``start``, see ``begin``. With ``skip_broken`` a
    training image that cannot be read is listed at the end, and the next takes its place.

    Returns:
        Whether this process is the main one of all, whose business it is to report.

    Raises:
        UserError: the run exists already, is trained into by another process, or is to be resumed
            with other settings; the data lacks what the method needs; the disk is full.
        DivergedError: a loss is not finite; ``last.pt`` is the last good checkpoint.
        StoppedError: a signal asked the run to stop; it is saved.
    """
    refuse_overwriting(run, resume, overwrite)
    fabric = make_fabric(experiment, hardware)
    fabric.launch()
    with contextlib.ExitStack() as stack:
        if fabric.is_global_zero:
            stack.enter_context(run_folder(run, resume, overwrite))
        fabric.barrier()  # the folder is as it should be before any process looks
        training = Run(experiment, run, hardware, fabric, start, skip_broken)
        try:
            for _ in training.steps(resume):
                pass
        finally:
            if fabric.is_global_zero:
                training.skipped.report(training.starts)
    # not after an error: the other processes would wait for one that will not come; when it
    # exits, Fabric ends them
    close_processes(fabric)
    return fabric.is_global_zero


class Run:
    """A training in this process, to be gone through a step at a time; see ``fit``."""

    def __init__(
        self,
        experiment: Experiment,
        run: Path,
        hardware: Hardware,
        fabric: Fabric,
        start: str = "",
        skip_broken: bool = False,
    ) -> None:
        self.experiment, self.folder, self.hardware, self.fabric = experiment, run, hardware, fabric
        self.training = experiment.training
        self.micro_batch = micro_batch_size(experiment, fabric.world_size)
        check_monitor(self.training)
        self.skip_broken, self.skipped = skip_broken, SkippedImages()
        sources = training_sources(experiment.data, hardware.cache, skip_broken)
        self.train_source, self.validation_source = sources

        fabric.seed_everything(experiment.seed, verbose=False)
        self.method = experiment.method.build()
        self.starts = [dict(provenance(fabric.device))]
        self._load(start)
        check_minutes(self.training, self.method)
        self.method.to(fabric.device)
        self.networks: dict[str, _FabricModule] = {}
        for name, network in self.method.networks().items():
            if self.training.sync_batchnorm and fabric.device.type == "cuda":
                network = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)
            # the layout in which bfloat16 convolutions need no reordering
            network = network.to(memory_format=torch.channels_last)  # pyright: ignore
            if hardware.compile:
                network.compile()
            self.networks[name] = fabric.setup_module(network)
            setattr(self.method, name, self.networks[name])
        optimizers = self.method.optimizers()
        if fabric.device.type == "cuda":
            for optimizer in optimizers.values():
                fuse(optimizer)
        self.optimizers: dict[str, _FabricOptimizer] = {
            name: cast(_FabricOptimizer, fabric.setup_optimizers(optimizer))
            for name, optimizer in optimizers.items()
        }
        check_precision(self.training, len(self.optimizers))
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]
        self.inference = {n: self.networks[n].module for n in self.method.inference_networks}
        decay = self.training.ema_decay
        self.average = WeightAverage(self.inference, decay) if decay else None
        self.progress = Progress()
        self.watch = LossWatch(at_once=fabric.device.type == "cpu")
        self.votes = vote_group(fabric)
        self.saved_step = -1

    def _load(self, start: str) -> None:
        """Weights that a new run begins with, and the networks inside losses."""
        if not (self.folder / checkpoint.LAST).exists():
            loaded, entry = begin(self.method, start)
            self.starts[-1] |= entry
            if loaded:
                self.fabric.print(loaded)
        if loaded := self.method.load_losses():
            self.fabric.print(loaded)

    def steps(self, resume: bool = False, shown: bool = True) -> Generator[int, None, None]:
        """Train; yields after each optimisation step how many are done.

        Args:
            resume: see ``fit``.
            shown: whether the terminal sees how it goes.
        """
        last = self.folder / checkpoint.LAST
        with checkpoint.naming_damage(last):
            state = self._resume() if resume and last.exists() else None
        batches = self._batches()
        if state is not None:
            checkpoint.set_random_state(state["random"][self.fabric.global_rank], last)
        elif self.fabric.world_size > 1:
            # dropout must differ between processes; weights were made from one seed
            torch.manual_seed(self.experiment.seed + self.fabric.global_rank)
        main = self.fabric.is_global_zero
        if main:
            checkpoint.remove_unfinished(self.folder)
        board = TensorBoard(self.folder, self.progress.step) if main else None
        line = ProgressLine(
            self.folder.name,
            None if self.training.minutes else self.training.steps,
            self.progress.step,
            self.training.batch_size,
            shown=main and shown,
        )
        try:
            with stop_on_signal() as stop:
                yield from self._loop(batches, board, line, stop)
        finally:
            line.close()
            if board is not None:
                board.close()

    def _loop(
        self,
        batches: Iterator[Batch],
        board: TensorBoard | None,
        line: ProgressLine,
        stop: StopRequest,
    ) -> Generator[int, None, None]:
        training, progress = self.training, self.progress
        logged_step, logged_s = progress.step, progress.train_s
        while not self._is_over() and not self._out_of_patience():
            started = time.monotonic()
            scalars = self._step(batches)
            progress.step += 1
            looking = [training.log_every, training.validate_every, training.checkpoint_every]
            if any(self._due(every) for every in looking):
                self.watch.check()
            progress.train_s += time.monotonic() - started
            fault = board.fault if board is not None else ""
            stopping = self._agree(stop.asked or bool(fault))
            if self._is_over() or stopping:
                self.watch.check()
            if board is not None and self._due(training.log_every):
                seconds = max(progress.train_s - logged_s, 1e-9)
                images = training.batch_size * (progress.step - logged_step)
                rate = {"throughput/images_per_s": images / seconds}
                board.scalars({**numbers(scalars), **self._rates(), **rate}, progress.step)
                logged_step, logged_s = progress.step, progress.train_s
            line.update(progress.step, scalars, self._left_s())
            validating = self._due(training.validate_every)
            saving = self._due(training.checkpoint_every) or stopping
            if validating or saving:
                self._share_buffers()
            if validating:
                self._validate(board, line)
            if saving:
                self._save()
            if stopping:
                raise StoppedError(
                    f"{fault}stopped at step {progress.step}, saved in {self.folder}; --resume "
                    "goes on"
                )
            yield progress.step
        if self.saved_step != progress.step and progress.step > 0:
            self._save()

    def _step(self, batches: Iterator[Batch]) -> dict[str, Tensor]:
        """One optimisation step: all its micro-batches; returns logged scalars, their mean."""
        index = self.progress.step
        part = self.method.schedule_part(index, self._horizon())
        factor = self.training.rate_factor(index, part, self._share())
        factor *= self.method.rate_factor(index)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor
        self.method.train()
        logged: list[dict[str, Tensor]] = []
        for micro in range(self.training.accumulate):
            closes = micro == self.training.accumulate - 1
            step = MicroStep(self, index, closes)
            batch = next(batches)
            with contextlib.ExitStack() as stack:
                if not closes:
                    self.without_sync(stack, *self.networks)
                self.method.training_step(batch, step)
            logged.append(step.scalars)
        if self.average is not None:
            self.average.update()
        return {
            name: torch.stack([scalars[name] for scalars in logged]).mean() for name in logged[-1]
        }

    def without_sync(self, stack: contextlib.ExitStack, *networks: str) -> None:
        if self.fabric.world_size > 1:
            for name in networks:
                stack.enter_context(self.fabric.no_backward_sync(self.networks[name]))

    def _validate(self, board: TensorBoard | None, line: ProgressLine) -> None:
        """Score the validation images with the weights that would be shipped; keep the best."""
        if self.validation_source is None:
            return
        self.skipped.gather(self.fabric, self.starts[-1])
        view, step = self.experiment.eval_view, self.progress.step
        # what is random in validation must not depend on how often we look
        with self._shipped_weights(), torch.random.fork_rng():
            self.method.eval()
            metrics = evaluate(
                self.method.colorize,
                self.validation_source,
                view,
                metrics=self.training.metrics,
                device=self.fabric.device,
                processes=self.fabric,
            ).summary["all"]
            self._note_best(metrics)
            if board is not None:
                board.scalars({f"validation/{name}": v for name, v in metrics.items()}, step)
                if self.training.grid > 0:
                    grid = picture_grid(
                        self.method, self.validation_source, view, self.training.grid
                    )
                    board.images("validation", grid, step)
                plain = to_plain(self.experiment)
                board.hyperparameters(plain, self.progress.best_metrics or metrics, step)
        shown = {name: metrics.get(name) for name in self.training.metrics}
        line.say(f"step {step}: {metrics_text(shown)}")

    def _note_best(self, metrics: dict[str, float | None]) -> None:
        progress, monitor = self.progress, self.training.monitor
        part = self.method.schedule_part(progress.step - 1, self._horizon())
        if part.stop < self._horizon():
            return  # a later stage trains what this one has left as it began
        value = metrics[monitor]
        higher = METRICS[monitor].better == "higher"
        better = value is not None and (
            progress.best is None or (value > progress.best if higher else value < progress.best)
        )
        if not better:
            progress.worse += 1
            return
        progress.best, progress.best_step, progress.worse = value, progress.step, 0
        progress.best_metrics = dict(metrics)
        if self.fabric.is_global_zero:
            state = {"inference": self._weights(), **self._header()}
            checkpoint.save_checkpoint(self.folder / checkpoint.BEST, state)

    def _save(self) -> None:
        """Everything that is needed to go on, from the main process."""
        self.skipped.gather(self.fabric, self.starts[-1])
        randoms: list[Any] = [checkpoint.random_state()]
        if self.fabric.world_size > 1:
            randoms = [None] * self.fabric.world_size
            torch.distributed.all_gather_object(randoms, checkpoint.random_state())
        if self.fabric.is_global_zero:
            state = {
                "networks": {n: net.state_dict() for n, net in self.networks.items()},
                "average": self.average.state_dict() if self.average else None,
                "optimizers": {n: opt.state_dict() for n, opt in self.optimizers.items()},
                "precision": self.fabric.strategy.precision.state_dict(),
                "random": randoms,
                **self._header(),
            }
            keep = self.folder / checkpoint.PREVIOUS
            checkpoint.save_checkpoint(self.folder / checkpoint.LAST, state, keep)
        self.saved_step = self.progress.step
        self.fabric.barrier()

    def _header(self) -> dict[str, Any]:
        plain = to_plain(self.experiment)
        return {"experiment": plain, "starts": self.starts, **vars(self.progress)}

    def _resume(self) -> dict[str, Any]:
        state = checkpoint.load_last(self.folder)
        # settings that came later than the run have their defaults
        saved = to_plain(from_plain(state["experiment"], Experiment, str(self.folder)))
        present = to_plain(self.experiment)
        text = check_same_experiment(saved, present, self.folder, state["step"], self.method)
        if text:
            self.fabric.print(text)
            self.starts[-1]["changed"] = text
        if len(state["random"]) != self.fabric.world_size:
            raise UserError(
                f"{self.folder} was trained by {len(state['random'])} process(es), not "
                f"{self.fabric.world_size}; resume with as many"
            )
        for name, network in self.networks.items():
            checkpoint.load_strictly(network, state["networks"][name], f"{self.folder}: {name}")
        for name, optimizer in self.optimizers.items():
            load_state(optimizer, state["optimizers"][name])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        self.progress = Progress(**{name: state[name] for name in vars(Progress())})
        self.starts = [*state["starts"], *self.starts]
        if not text:  # changed settings are saved even where no step is left
            self.saved_step = self.progress.step
        return state

    def _batches(self) -> Iterator[Batch]:
        """The endless stream of this process's micro-batches from the present step on."""
        loader = train_loader(
            self.train_source,
            self.experiment.train_view,
            self.micro_batch * self.fabric.world_size,
            workers=self.hardware.workers,
            seed=self.experiment.seed,
            start_batch=self.progress.step * self.training.accumulate,
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
            skip_broken=self.skip_broken,
        )
        batches = self.skipped.counted(iter(loader))
        first = next(batches)
        require(first, self.method.needs, self.experiment.method.method_class.name)
        return on_device(itertools.chain([first], batches), self.fabric.device)

    def _weights(self) -> dict[str, dict[str, Tensor]]:
        return {name: network.state_dict() for name, network in self.inference.items()}

    def _shipped_weights(self) -> contextlib.AbstractContextManager[None]:
        return self.average.applied() if self.average is not None else contextlib.nullcontext()

    def _due(self, every: int) -> bool:
        return self._is_over() or (every > 0 and self.progress.step % every == 0)

    def _is_over(self) -> bool:
        share = self._share()
        return self.progress.step >= self.training.steps if share is None else share >= 1

    def _share(self) -> float | None:
        """Of the time that is over, where the run is measured by time."""
        minutes = self.training.minutes
        return None if minutes is None else self.progress.train_s / (60 * minutes)

    def _left_s(self) -> float | None:
        minutes = self.training.minutes
        return None if minutes is None else 60 * minutes - self.progress.train_s

    def _horizon(self) -> int:
        """All steps; by time more than there will be."""
        return self.training.steps if self.training.minutes is None else sys.maxsize

    def _out_of_patience(self) -> bool:
        patience = self.training.patience
        return patience is not None and self.progress.worse >= patience

    def _share_buffers(self) -> None:
        """Average what BatchNorm gathered in each process, so that all score and save the same."""
        if self.fabric.world_size == 1:
            return
        buffers = (buffer for network in self.networks.values() for buffer in network.buffers())
        averaged = self.average.buffers() if self.average is not None else ()
        for buffer in itertools.chain(buffers, averaged):
            if buffer.is_floating_point():
                buffer.copy_(cast(Tensor, self.fabric.all_reduce(buffer, reduce_op="mean")))

    def _agree(self, request: bool) -> bool:
        """Whether any process was asked to stop: all must stop at one step, and have one clock."""
        if self.votes is None:
            return request
        votes = torch.tensor([float(request), self.progress.train_s], dtype=torch.float64)
        torch.distributed.all_reduce(votes, group=self.votes)
        asked, seconds = votes.tolist()
        self.progress.train_s = seconds / self.fabric.world_size
        return asked > 0

    def _rates(self) -> dict[str, float]:
        return {f"lr/{n}": opt.param_groups[0]["lr"] for n, opt in self.optimizers.items()}
