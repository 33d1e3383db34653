"""Runtimes of a trained method on a CPU: time, and PSNR against eager mode."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import torch
import tyro
from rich.table import Table
from torch import Tensor, nn

from ...datasets.base.bounds import Count, Side
from ...datasets.base.errors import UserError, unknown
from ...datasets.base.outputs import JsonOutput
from ...models.base.domain import DomainName
from ...models.base.method import Method
from ...models.pix2pix import Pix2Pix
from ..artifacts.weights_file import load_any
from ..deploy.export import OUTPUTS, inference_colors, to_onnx
from ..deploy.sample_planes import sample_planes
from ..evaluation.timing import Timing, machine, race, save_benchmark, torch_threads, versions
from ..inference.color_network import MethodColors
from ..inference.exported_file import About, from_onnx
from ..inference.fold_batchnorm import folded
from ..inference.parity import parity
from ..inference.precision import MIN_DB, Way, compiled, in_bfloat16

EAGER, FOLDED, ONNX, BF16, COMPILED = (
    "eager",
    "folded",
    "onnxruntime",
    "bfloat16",
    "bfloat16 compiled",
)
# times as fast as eager, dB
TARGETS = {ONNX: (1.5, 110.0), COMPILED: (3.0, MIN_DB)}
_RANDOM = "random, norms calibrated"
_SAME_DB = 999.0  # JSON knows no infinity


@dataclass(frozen=True, kw_only=True)
class ExportBenchmark:
    """What ``bench_export`` measured, and on what.

    Attributes:
        timings: of each runtime; seconds for one picture, and how many times as fast as eager.
        parity_db: by runtime, PSNR against eager over the output's range on the worst picture.
        ready_s: by runtime, seconds until it could run: folding, export, compilation.
        targets: by runtime, the least speed-up and dB that are aimed at.
        left_out: by runtime, why it was not measured.
    """

    timings: list[Timing]
    parity_db: dict[str, float]
    ready_s: dict[str, float]
    targets: dict[str, tuple[float, float]]
    left_out: dict[str, str]
    method: str
    weights: str
    parameters: int
    shape: str
    pictures: int
    threads: int
    repeats: int
    machine: dict[str, Any]
    versions: dict[str, str]

    def __rich__(self) -> Table:
        """The figures as a table, for ``rich.print``."""
        title = f"{self.method}, {self.shape}, {self.threads} threads"
        table = Table("runtime", "ms", "p10", "p90", "times as fast", "dB", "target", title=title)
        for timing in self.timings:
            milliseconds = (1000 * s for s in (timing.median, timing.p10, timing.p90))
            target = self.targets.get(timing.name)
            table.add_row(
                timing.name,
                *(f"{value:.3g}" for value in milliseconds),
                f"{timing.ratio:.2f}",
                f"{self.parity_db[timing.name]:.1f}",
                f"{target[0]:g} times, {target[1]:g} dB" if target else "",
            )
        for name, reason in self.left_out.items():
            table.add_row(name, reason)
        return table


@torch.no_grad()
def bench_export(
    out: JsonOutput = Path("results/benchmarks/export.json"),
    *,
    run: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None,
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None,
    method: Annotated[Method | None, tyro.conf.Suppress] = None,
    runtimes: Annotated[Sequence[str], tyro.conf.Suppress] = (FOLDED, ONNX, BF16, COMPILED),
    size: Side = 256,
    threads: Count = 1,
    repeats: Count = 9,
) -> ExportBenchmark:
    """One picture through a method: eager float32 beside folded, ONNX Runtime, bfloat16.

    They take turns. Time is wall time of one square picture; PSNR is against eager float32.

    Args:
        out: JSON file to write.
        run: a run's folder, a checkpoint, or a file of ``ship``; by default a full-size pix2pix of
            random weights, its norms calibrated.
        images: folder of pictures to compare on; generated scenes unless given.
        method: a method instead of a run.
        runtimes: which, beside ``eager``.
        size: height and width of the picture, a multiple of the method's stride.
        threads: of torch and ONNX Runtime.
        repeats: how often each runs.

    Raises:
        UserError: an unknown runtime, a size that is no multiple of the stride, or as ``load_any``.
    """
    for name in runtimes:
        if name not in _MAKERS:
            raise UserError(unknown("runtime", name, _MAKERS))
    colors, weights, planes = _prepared(run, method, images, size)
    with torch_threads(threads):
        networks, ready, left_out = _networks(colors, planes[0], runtimes)
        result = ExportBenchmark(
            timings=race(
                {name: partial(network, planes[0]) for name, network in networks.items()},
                repeats,
                reference=EAGER,
                clock=time.perf_counter,
            ),
            parity_db=_parity(colors, planes, networks),
            ready_s=ready,
            targets={name: target for name, target in TARGETS.items() if name in networks},
            left_out=left_out,
            method=colors.name,
            weights=weights,
            parameters=sum(p.numel() for p in colors.parameters()),
            shape=f"1x1x{size}x{size}",
            pictures=len(planes),
            threads=threads,
            repeats=repeats,
            machine=machine(),
            versions=versions("torch", "onnx", "onnxruntime"),
        )
    save_benchmark(result, out)
    return result


def _parity(
    colors: MethodColors, planes: Sequence[Tensor], networks: Mapping[str, Way]
) -> dict[str, float]:
    expected = [colors(plane) for plane in planes]
    return {
        name: _finite(parity(colors.domain, expected, [network(plane) for plane in planes]))
        for name, network in networks.items()
    }


def _prepared(
    run: Path | None, method: Method | None, images: Path | None, size: int
) -> tuple[MethodColors, str, list[Tensor]]:
    """The method, whose weights it has, and pictures as it is given them."""
    method, weights = _method(run, method)
    if size % method.stride:
        raise UserError(f"size {size}: must be a multiple of {method.stride} for {method.name}")
    colors = inference_colors(method)
    planes = [_square(plane[:1], size) for plane in sample_planes(colors.domain, images, size + 64)]
    if weights == _RANDOM:
        _calibrate(colors, torch.cat(planes))
    return colors, weights, planes


def _method(run: Path | None, method: Method | None) -> tuple[Method, str]:
    if run is not None:
        trained = load_any(run)
        return trained.method, f"{trained.experiment.name} {trained.weights_sha256[:12]}"
    if method is not None:
        return method, _RANDOM
    torch.manual_seed(0)
    return Pix2Pix.Config(domain="gray").build(), _RANDOM


def _networks(
    colors: MethodColors, plane: Tensor, runtimes: Sequence[str]
) -> tuple[dict[str, Way], dict[str, float], dict[str, str]]:
    """Each network, ready to run; seconds until it was; and reasons for those that are not."""
    networks: dict[str, Way] = {EAGER: colors}
    ready, left_out = {EAGER: 0.0}, {}
    for name in runtimes:
        start = time.perf_counter()
        try:
            network = _MAKERS[name](colors, plane)
            network(plane)  # what is compiled at the first call belongs to getting ready
        except (UserError, RuntimeError) as error:  # no package, no compiler, no such operation
            left_out[name] = " ".join(str(error).split())[:300]
            continue
        networks[name], ready[name] = network, round(time.perf_counter() - start, 2)
    return networks, ready, left_out


def _onnx(colors: MethodColors, plane: Tensor) -> Way:
    about = About(
        method=colors.name,
        recipe="",
        domain=cast(DomainName, colors.domain),
        output=OUTPUTS[colors.domain],
        size=None,
        weights_sha256="",
    )
    # traced at a size that needs padding, as export does
    return from_onnx(to_onnx(folded(colors, plane), plane[..., 1:, 1:], about))[1]


_MAKERS: dict[str, Callable[[MethodColors, Tensor], Way]] = {
    FOLDED: lambda colors, plane: folded(colors, plane),
    ONNX: _onnx,
    BF16: in_bfloat16,
    COMPILED: compiled,
}


def _square(plane: Tensor, size: int) -> Tensor:
    return plane[..., :size, :size].contiguous()


def _calibrate(colors: MethodColors, planes: Tensor) -> None:
    """Weights of He's scale and running averages of real planes, so that outputs fill the range."""
    for module in colors.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain average
            module.train()
    colors(planes)
    colors.eval()


def _finite(decibels: float) -> float:
    return _SAME_DB if math.isinf(decibels) else round(decibels, 1)
