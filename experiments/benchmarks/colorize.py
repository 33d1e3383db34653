"""Pictures a second through trained methods: batch sizes, number formats, layouts, compiled."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from rich.table import Table
from torch import Tensor

from ...datasets.base.bounds import Count, Side
from ...datasets.base.outputs import JsonOutput
from ..artifacts.weights_file import load_any
from ..deploy.export import inference_colors
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
from ..inference.color_network import MethodColors
from ..inference.fold_batchnorm import folded
from ..inference.precision import Way, in_bfloat16, in_mixed

EAGER, LAST = "eager float32", "channels last float32"
MIXED, BF16, COMPILED = "bfloat16 mixed", "bfloat16", "bfloat16 compiled"


@dataclass(frozen=True, kw_only=True)
class ColorizeBenchmark:
    """What ``bench_colorize`` measured, and on what.

    Attributes:
        timings: by method and batch size; seconds a batch, ratio to eager float32.
        pictures_per_s: the same as pictures a second, from the medians.
        ready_s: by method and batch size, seconds until compiled code could run.
        left_out: what was not measured, and why.
    """

    timings: dict[str, dict[int, list[Timing]]]
    pictures_per_s: dict[str, dict[int, dict[str, float]]]
    ready_s: dict[str, dict[int, float]]
    left_out: dict[str, str]
    size: int
    device: str
    threads: int
    repeats: int
    machine: dict[str, Any]
    versions: dict[str, str]

    def __rich__(self) -> Table:
        """The figures as a table, for ``rich.print``."""
        heads = ("method", "batch", "", "pictures/s", "ms", "times as fast")
        table = Table(*heads, title=f"{self.size} x {self.size}, {self.device}")
        for method, batches in self.timings.items():
            for batch, timings in batches.items():
                for timing in timings:
                    speed = self.pictures_per_s[method][batch][timing.name]
                    values = (f"{speed:.4g}", f"{1e3 * timing.median:.4g}", f"{timing.ratio:.2f}")
                    table.add_row(method, str(batch), timing.name, *values)
        for name, reason in self.left_out.items():
            table.add_row(name, "", reason)
        return table


def bench_colorize(
    out: JsonOutput = Path("results/benchmarks/colorize.json"),
    *,
    runs: Annotated[tuple[str, ...], tyro.conf.arg(metavar="RUN...")] = (
        "zhang16_photos",
        "encoder_unet_nir_epfl",
    ),
    device: Literal["cpu", "cuda"] = "cpu",
    batches: Annotated[tuple[Count, ...], tyro.conf.arg(metavar="N...")] = (1, 8, 32),
    size: Side = 256,
    compiling: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    threads: Count = 2,
    repeats: Count = 9,
) -> ColorizeBenchmark:
    """Batches of square planes through a method's networks and colour arithmetic, without files.

    The candidates take turns; time is wall time, on CUDA of synchronised calls. The file is written
    after each batch size.

    Args:
        out: JSON file to write.
        runs: folders of runs, files of ``ship``, or names of shipped weights.
        device: where.
        batches: pictures at once.
        size: side of the pictures, in pixels.
        compiling: also compile, half a minute for each method and batch size.
        threads: of torch, on the CPU.
        repeats: how often each candidate runs.

    Raises:
        UserError: no such weights.
    """
    result = ColorizeBenchmark(
        timings={run: {} for run in runs},
        pictures_per_s={run: {} for run in runs},
        ready_s={run: {} for run in runs},
        left_out={},
        size=size,
        device=device_name(device),
        threads=threads,
        repeats=repeats,
        machine=machine(),
        versions=versions("torch", "triton"),
    )
    with torch_threads(threads):
        for run in runs:
            colors = inference_colors(load_any(run).method).to(device)
            for batch in batches:
                planes = _planes(batch, size, device)
                candidates, seconds = _candidates(colors, planes, compiling, result.left_out)
                calls = {name: partial(way, planes) for name, way in candidates.items()}
                timings = race(calls, repeats, reference=EAGER, clock=device_clock(device))
                result.timings[run][batch], result.ready_s[run][batch] = timings, seconds
                result.pictures_per_s[run][batch] = {
                    timing.name: float(f"{batch / timing.median:.4g}") for timing in timings
                }
                save_benchmark(result, out)
    return result


def _planes(batch: int, size: int, device: str) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, 1, size, size, generator=generator).to(device)


def _candidates(
    colors: MethodColors, planes: Tensor, compiling: bool, left_out: dict[str, str]
) -> tuple[dict[str, Way], float]:
    """What runs a method, by name; and the seconds that compiling took."""
    makers: dict[str, Callable[..., Way]] = {
        EAGER: lambda colors, _: torch.no_grad()(colors),
        LAST: _channels_last,
        MIXED: in_mixed,
        BF16: in_bfloat16,
        **({COMPILED: _compiled} if compiling else {}),
    }
    ways: dict[str, Way] = {}
    seconds = 0.0
    for name, make in makers.items():
        start = time.perf_counter()
        try:
            way = make(colors, planes)
            way(planes)
        except RuntimeError as error:  # no compiler, no such operation in this format
            left_out[f"{colors.name}, {name}"] = " ".join(str(error).split())[:300]
            continue
        ways[name] = way
        seconds = round(time.perf_counter() - start, 2) if name == COMPILED else seconds
    return ways, seconds


def _channels_last(colors: MethodColors, planes: Tensor) -> Way:
    network = folded(colors, planes).to(memory_format=torch.channels_last)  # pyright: ignore
    return torch.no_grad()(network)


def _compiled(colors: MethodColors, planes: Tensor) -> Way:
    """In bfloat16; norms are folded first, as inductor would fold some of them wrongly."""
    network = torch.compile(folded(colors, planes).bfloat16(), dynamic=False)

    @torch.no_grad()
    def function(planes: Tensor) -> Tensor:
        return network(planes.bfloat16()).float()

    return function
