"""Where the time of a training step goes: kernels, gaps between them, the scan's share."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from rich.table import Table
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile

from ...datasets.base.bounds import Count
from ...datasets.base.outputs import JsonOutput
from .. import recipe_list
from ..evaluation.timing import device_clock, device_name, machine, save_benchmark, versions
from ..experiment import Experiment, Hardware
from ..training.devices import make_fabric
from ..training.engine import Run
from .train import as_measured

# of the Triton backend, of mamba-ssm, of the CPU's operators
_SCAN = re.compile(
    r"^(advance|carry|emit|retreat|differentiate)(_|$)|selective_scan|crosschroma::scan"
)
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """What ran under one name in a step: milliseconds, how often, share of all."""

    name: str
    ms: float
    calls: float
    share: float


@dataclass(frozen=True, kw_only=True)
class StepBenchmark:
    """What ``bench_step`` measured, and on what.

    Attributes:
        step_ms: wall time of a step, without the profiler.
        busy_ms: time of a step in which the device computed, under the profiler.
        gap_share: of a step without the profiler, in which it did not.
        scan_share: of what was computed, the selective scan.
        launches: kernels a step.
        peak_mb: memory at its highest; None on the CPU.
        kernels: those that took longest.
    """

    step_ms: float
    busy_ms: float
    gap_share: float
    scan_share: float
    launches: float
    peak_mb: float | None
    kernels: list[Kernel]
    recipe: str
    settings: str
    device: str
    steps: int
    machine: dict[str, Any]
    versions: dict[str, str]

    def __rich__(self) -> Table:
        """The figures as a table, for ``rich.print``."""
        memory = "" if self.peak_mb is None else f", {self.peak_mb:.0f} MB"
        title = (
            f"{self.recipe}, {self.settings}, {self.device}: {self.step_ms:.1f} ms a step, "
            f"computing {self.busy_ms:.1f} ms, gaps {self.gap_share:.0%}, "
            f"scan {self.scan_share:.0%}, {self.launches:.0f} launches{memory}"
        )
        table = Table("kernel", "ms", "calls", "share", title=title)
        for kernel in self.kernels:
            values = (f"{kernel.ms:.3f}", f"{kernel.calls:g}", f"{kernel.share:.1%}")
            table.add_row(kernel.name, *values)
        return table


def bench_step(
    out: JsonOutput = Path("results/benchmarks/step.json"),
    *,
    recipe: Annotated[str, tyro.conf.arg(metavar="NAME")] = "colormamba_vcip",
    smoke: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    device: Literal["cpu", "cuda"] = "cpu",
    compiling: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    steps: Count = 5,
) -> StepBenchmark:
    """Steps of ``fit`` on generated scenes in the recipe's size, batch and precision, profiled.

    A kernel's time is its own: on the CPU that of an operator without those that it calls.

    Args:
        out: JSON file to write.
        recipe: whose step.
        smoke: in its smallest form.
        device: where.
        compiling: with ``--hardware.compile``.
        steps: that are timed, and then profiled.

    Raises:
        UserError: no such recipe.
    """
    experiment = recipe_list.load_recipe(recipe)
    experiment = as_measured(experiment.smoke() if smoke else experiment, log_every=10**9)
    hardware = Hardware(accelerator=device, workers=0, compile=compiling)
    seconds, spans = _profiled(experiment, hardware, steps)
    peak = round(torch.cuda.max_memory_allocated() / 1e6, 1) if device == "cuda" else None
    kernels, scan_share = _kernels(spans, steps)
    busy = _union_us(spans) / steps / 1e3
    training = experiment.training
    result = StepBenchmark(
        step_ms=round(1e3 * seconds, 3),
        busy_ms=round(busy, 3),
        gap_share=round(max(0.0, 1 - busy / (1e3 * seconds)), 4),
        scan_share=round(scan_share, 4),
        launches=len(spans) / steps,
        peak_mb=peak,
        kernels=kernels[:_SHOWN],
        recipe=recipe + (", smoke" if smoke else ""),
        settings=f"{training.batch_size} x {experiment.train_view.size}, {training.precision}"
        + (", compiled" if compiling else ""),
        device=device_name(device),
        steps=steps,
        machine=machine(),
        versions=versions("torch", "triton", "mamba-ssm"),
    )
    save_benchmark(result, out)
    return result


Span = tuple[str, float, float, float]  # name, start, end, own time; microseconds


def _profiled(experiment: Experiment, hardware: Hardware, steps: int) -> tuple[float, list[Span]]:
    """Seconds of a step without the profiler, and what ran in ``steps`` of them with it."""
    device = hardware.accelerator
    clock = device_clock(device)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        hardware = replace(hardware, cache=folder / "cache")
        run = Run(experiment, folder / "run", hardware, make_fabric(experiment, hardware))
        stream = stack.enter_context(contextlib.closing(run.steps(shown=False)))
        _take(stream, 3)  # kernels are chosen and compiled
        start = clock()
        _take(stream, steps)
        seconds = (clock() - start) / steps
        activities = [ProfilerActivity.CPU]
        activities += [ProfilerActivity.CUDA] * (device == "cuda")
        with profile(activities=activities, acc_events=True) as profiler:
            _take(stream, steps)
            clock()
    return seconds, _spans(profiler.events() or (), device)


def _take(stream: Iterable[object], count: int) -> None:
    steps = iter(stream)
    for _ in range(count):
        next(steps)


def _spans(events: Iterable[FunctionEvent], device: str) -> list[Span]:
    """What the device did: kernels and copies of a GPU, operators of a CPU."""
    spans = []
    for event in events:
        on_gpu = event.device_type.name == "CUDA"
        if on_gpu != (device == "cuda"):
            continue
        own = event.time_range.elapsed_us() if on_gpu else event.self_cpu_time_total
        spans.append((event.name, event.time_range.start, event.time_range.end, own))
    return spans


def _kernels(spans: Sequence[Span], steps: int) -> tuple[list[Kernel], float]:
    """By name, the longest first; and the scan's share of all."""
    times: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for name, _, _, own in spans:
        times[name] += own  # pyright: ignore[reportArgumentType]
        calls[name] += 1
    whole = max(sum(times.values()), 1e-9)
    kernels = [
        Kernel(
            name=name[:120],
            ms=round(us / steps / 1e3, 4),
            calls=calls[name] / steps,
            share=round(us / whole, 4),
        )
        for name, us in times.most_common()
    ]
    return kernels, sum(us for name, us in times.items() if _SCAN.search(name)) / whole


def _union_us(spans: Sequence[Span]) -> float:
    """Time in which at least one ran."""
    total, reached = 0.0, float("-inf")
    for _, start, end, _ in sorted(spans, key=lambda span: span[1]):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
