"""What the scan costs within ColorMamba: the network beside itself with the scan left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from ...models.colormamba import vss_block
from ...models.colormamba.networks import ColorMambaGenerator, Design
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

REFERENCE, OURS = "scan left out", "with the scan"
FORWARD, STEP = "forward", "forward+backward"
_DESIGNS = {"paper": Design, "released": Design.released, "small": Design.small}


@dataclass(frozen=True, kw_only=True)
class NetworkBenchmark:
    """What ``bench_network`` measured, and on what.

    Attributes:
        timings: by pass; seconds, and the ratio of the reference's time to this one's.
        cost: by pass, time with the scan over time without it.
        target: the most that ``cost`` should be.
        loop_seconds: one forward pass with the loop over time, where asked for.
    """

    timings: dict[str, list[Timing]]
    cost: dict[str, float]
    target: float
    loop_seconds: float | None
    design: str
    parameters: int
    shape: str
    device: str
    repeats: int
    machine: dict[str, Any]
    versions: dict[str, str]

    def __rich__(self) -> Table:
        """The figures as a table, for ``rich.print``."""
        table = Table("pass", "", "s", "p10", "p90", "times", title=f"{self.design}, {self.shape}")
        for work, timings in self.timings.items():
            for timing in timings:
                values = (timing.median, timing.p10, timing.p90, 1 / timing.ratio)
                table.add_row(work, timing.name, *(f"{value:.3g}" for value in values))
        if self.loop_seconds is not None:
            table.add_row(FORWARD, "with a loop over time", f"{self.loop_seconds:.3g}")
        return table


def bench_network(
    out: JsonOutput = Path("results/benchmarks/network.json"),
    *,
    device: Literal["cpu", "cuda"] = "cpu",
    design: Literal["paper", "released", "small"] = "released",
    size: Side = 256,
    threads: Count = 2,
    repeats: Count = 5,
    loop: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> NetworkBenchmark:
    """One image through ColorMamba's generator, forward and forward+backward, float32.

    With its scan, and with an element-wise stand-in; the two take turns. Time is wall time: on the
    CPU the threads that wait for each other burn CPU time, too.

    Args:
        out: JSON file to write.
        device: where.
        design: at the paper's size, the released network, or the small one.
        size: height and width of the image.
        threads: of torch, on the CPU.
        repeats: how often each of the two runs.
        loop: also run once with the loop over time (a minute and more).
    """
    generator = ColorMambaGenerator(_DESIGNS[design]()).to(device).eval()
    image = torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    with torch_threads(threads):
        timings = {
            work: race(
                {REFERENCE: partial(_without_scan, run), OURS: run},
                repeats,
                reference=REFERENCE,
                clock=device_clock(device),
            )
            for work, run in (
                (FORWARD, partial(_forward, generator, image)),
                (STEP, partial(_step, generator, image)),
            )
        }
        result = NetworkBenchmark(
            timings=timings,
            cost={work: round(1 / pair[1].ratio, 3) for work, pair in timings.items()},
            target=1.3,
            loop_seconds=_loop_seconds(generator, image) if loop else None,
            design=design,
            parameters=sum(p.numel() for p in generator.parameters()),
            shape=f"1x1x{size}x{size}",
            device=device_name(device),
            repeats=repeats,
            machine=machine(),
            versions=versions("torch", "numba", "triton", "mamba-ssm"),
        )
    save_benchmark(result, out)
    return result


@torch.no_grad()
def _forward(generator: torch.nn.Module, image: Tensor) -> None:
    generator(image)


def _step(generator: torch.nn.Module, image: Tensor) -> None:
    hsv_hat, rgb_hat = generator(image)
    (hsv_hat.sum() + rgb_hat.sum()).backward()
    generator.zero_grad()


def _without_scan(run: Callable[[], None]) -> None:
    with _scan_as(_stand_in):
        run()


def _loop_seconds(generator: torch.nn.Module, image: Tensor) -> float:
    scan = vss_block.selective_scan_2d

    def loop(*inputs: Tensor, **options: Any) -> Tensor:
        return scan(*inputs, **{**options, "backend": "reference"})

    with _scan_as(loop):
        start = time.perf_counter()
        _forward(generator, image)
        return round(time.perf_counter() - start, 3)


@contextmanager
def _scan_as(function: Callable[..., Tensor]) -> Iterator[None]:
    scan = vss_block.selective_scan_2d
    vss_block.selective_scan_2d = function
    try:
        yield
    finally:
        vss_block.selective_scan_2d = scan


def _stand_in(u, delta, A, B, C, D, delta_bias, **_: object) -> Tensor:
    """Element-wise, and as cheap as can be where no gradient is asked for.

    With gradients every input gets one, or the layers that make them would be left out, too.
    """
    y = u * D.sum(0)
    if torch.is_grad_enabled():
        y = y + delta.sum(3) + (B * C).sum((-2, -1)).unsqueeze(-1)
        y = y + (A.sum((0, 2)) + delta_bias.sum(0))
    return y
