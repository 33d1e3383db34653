"""Speed, memory and error of the scan's backends beside a loop over time."""

from __future__ import annotations

import ctypes
import multiprocessing
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from rich.table import Table
from torch import Tensor

from ...datasets.base.errors import UserError, unknown
from ...models.scan.selective_scan import DIRECTIONS, Direction, available, selective_scan_2d
from ..evaluation.timing import Timing, machine, race, save, threads, versions

LOOP, STYLE, CHAIN = "reference", "loop, mamba-ssm's style", "mamba_ssm"
FORWARD, STEP = "forward", "forward+backward"
_TOO_MUCH = 2e9  # bytes that autograd of the loop may keep
_LOOP_ROUNDS = 3  # the loops take seconds


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One problem: ``batch`` images of ``height`` x ``width`` pixels and ``channels`` channels."""

    name: str
    batch: int = 1
    height: int = 1
    width: int
    channels: int
    states: int = 16
    directions: tuple[Direction, ...] = DIRECTIONS

    @property
    def text(self) -> str:
        """For heads of tables."""
        return (
            f"{self.name}: {self.batch} x {self.height} x {self.width}, {self.channels} channels, "
            f"{self.states} states, {len(self.directions)} directions"
        )

    @property
    def loop_bytes(self) -> int:
        """About what autograd of the loop keeps: five float32 tensors of every state."""
        steps = self.batch * self.height * self.width * len(self.directions)
        return 5 * 4 * steps * self.channels * self.states


def _sequence(name: str, channels: int, states: int, length: int, batch: int = 1) -> Shape:
    return Shape(
        name=name,
        batch=batch,
        width=length,
        channels=channels,
        states=states,
        directions=("rows",),
    )


SHAPES = (
    _sequence("1,64,1,1024", 64, 1, 1024),
    _sequence("1,64,16,1024", 64, 16, 1024),
    _sequence("1,128,16,4096", 128, 16, 4096),
    _sequence("1,256,1,16384", 256, 1, 16384),
    _sequence("4,128,16,4096", 128, 16, 4096, batch=4),
    Shape(name="ColorMamba 256", height=34, width=34, channels=512),
    Shape(name="ColorMamba 128", height=66, width=66, channels=256),
    Shape(name="ColorMamba 64", height=130, width=130, channels=128),
)
# at 1,128,16,4096 on one thread: (to reach, stretch) over the loop
TARGETS = {
    "torch": {FORWARD: (10.0, 10.0), STEP: (8.0, 8.0)},
    "numba": {FORWARD: (50.0, 120.0), STEP: (20.0, 80.0)},
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One backend on one shape, one pass.

    Attributes:
        timing: seconds; ratio to the shape's reference.
        peak_mb: memory beyond the inputs at its highest, result and gradients included; None
            where the system does not tell.
        error: largest error of the result (forward) or of any gradient (forward+backward),
            relative to the largest value of that tensor, against the loop in float64; None where
            the loop would not fit.
    """

    backend: str
    work: str
    timing: Timing
    peak_mb: float | None
    error: float | None


@dataclass(frozen=True, kw_only=True)
class ShapeResult:
    """All backends on a shape; ``skipped`` says what was not run, and why."""

    shape: Shape
    reference: dict[str, str]
    cells: list[Cell]
    skipped: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class ScanBenchmark:
    """What ``bench_scan`` measured, and on what."""

    results: list[ShapeResult]
    targets: dict[str, dict[str, tuple[float, float]]]
    unavailable: dict[str, str]
    device: str
    unit: str
    dtype: str
    repeats: int
    machine: dict[str, Any]
    versions: dict[str, str]

    def __rich__(self) -> Table:
        """The figures as a table, for ``rich.print``."""
        heads = ("shape", "pass", "backend", "ms", "ratio", "peak MB", "error")
        table = Table(*heads, title=self.unit, caption=f"{self.device}; {self.machine['cpu']}")
        for result in self.results:
            for cell in result.cells:
                table.add_row(
                    result.shape.name,
                    cell.work,
                    cell.backend,
                    f"{1e3 * cell.timing.median:.2f}",
                    f"{cell.timing.ratio:.1f}",
                    "" if cell.peak_mb is None else f"{cell.peak_mb:.0f}",
                    "" if cell.error is None else f"{cell.error:.0e}",
                )
            table.add_section()
        return table


def bench_scan(
    out: Path | None = Path("results/benchmarks/scan.json"),
    *,
    device: str = "cpu",
    shapes: Sequence[str] = (),
    repeats: int = 9,
) -> ScanBenchmark:
    """Forward and forward+backward of every backend that runs here, in one process.

    On the CPU one thread, the process's CPU time, and the loop over time as the reference; on
    CUDA the wall time of synchronised calls, and as the reference mamba-ssm's kernel with
    cross-scan copies and merge around it, or ``torch`` where that package is missing. Peak memory
    is measured in a process of its own on the CPU.

    Args:
        out: where the JSON goes; ``None`` writes nothing.
        device: ``cpu`` or ``cuda``.
        shapes: names of ``SHAPES``, default all.
        repeats: rounds that count; the loop, which takes seconds, has at most three.

    Raises:
        UserError: an unknown shape, or no such device.
    """
    known = {shape.name: shape for shape in SHAPES}
    for name in shapes:
        if name not in known:
            raise UserError(unknown("shape", name, known))
    reasons = available(device)
    backends = [name for name, reason in reasons.items() if not reason]
    chosen = [known[name] for name in shapes or known]
    with threads(1):
        result = ScanBenchmark(
            results=[_bench_shape(shape, backends, device, repeats) for shape in chosen],
            targets=TARGETS,
            unavailable={name: reason for name, reason in reasons.items() if reason},
            device=device if device == "cpu" else torch.cuda.get_device_name(),
            unit="time of a call" + (" (process CPU time)" if device == "cpu" else ""),
            dtype="float32",
            repeats=repeats,
            machine=machine(),
            versions=versions("torch", "numba", "triton", "mamba-ssm"),
        )
    save(result, out)
    return result


def _bench_shape(shape: Shape, backends: Sequence[str], device: str, repeats: int) -> ShapeResult:
    inputs = make_inputs(shape, device)
    skipped, cells, references = {}, [], {}
    works = {work: _ways(shape, inputs, backends, work, device) for work in (FORWARD, STEP)}
    if LOOP in works[FORWARD] and LOOP not in works[STEP]:
        skipped[f"{LOOP}, {STEP}"] = f"autograd would keep {shape.loop_bytes / 1e9:.1f} GB"
    peaks = {
        name: _peaks_mb(shape, name, [work for work in works if name in works[work]], device)
        for name in backends
    }
    for work, ways in works.items():
        references[work] = next(name for name in (LOOP, CHAIN, "torch") if name in ways)
        timings = _time(ways, repeats, references[work], device)
        errors = _errors(shape, inputs, ways, work) if LOOP in ways else {}
        cells += [
            Cell(
                backend=name,
                work=work,
                timing=timing,
                peak_mb=peaks.get(name, {}).get(work),
                error=errors.get(name),
            )
            for name, timing in timings.items()
        ]
    return ShapeResult(shape=shape, reference=references, cells=cells, skipped=skipped)


def _ways(
    shape: Shape, inputs: Mapping[str, Tensor], backends: Sequence[str], work: str, device: str
) -> dict[str, Callable[[], dict[str, Tensor]]]:
    ways: dict[str, Callable[[], dict[str, Tensor]]] = {
        name: partial(_run, shape, inputs, name, work) for name in backends
    }
    if device != "cpu" or (work == STEP and shape.loop_bytes > _TOO_MUCH):
        ways.pop(LOOP, None)
    if work == FORWARD and device == "cpu" and len(shape.directions) == 1:
        ways[STYLE] = lambda: {"y": materialised_loop(inputs)}
    return ways


def _time(
    ways: Mapping[str, Callable[[], object]], repeats: int, reference: str, device: str
) -> dict[str, Timing]:
    if device != "cpu":
        return {t.name: t for t in race(ways, repeats, reference=reference, clock=_cuda_clock)}
    # the loops join the first rounds only, and are what these rounds' ratios refer to
    few = race(ways, min(repeats, _LOOP_ROUNDS), reference=reference)
    fast = {name: way for name, way in ways.items() if name not in (LOOP, STYLE)}
    against = reference if reference in fast else next(iter(fast))
    more = race(fast, repeats, reference=against)
    times = {timing.name: timing for timing in few}
    slow = times[reference].median
    for timing in more:
        if reference in fast:
            times[timing.name] = timing
            continue
        times[timing.name] = Timing(
            name=timing.name,
            median=timing.median,
            p10=timing.p10,
            p90=timing.p90,
            ratio=float(f"{slow / timing.median:.4g}"),
        )
    return times


def _cuda_clock() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def make_inputs(shape: Shape, device: str = "cpu", seed: int = 0) -> dict[str, Tensor]:
    """Inputs of ``selective_scan_2d`` as a trained Mamba has them: A = -(1..n), small steps."""
    generator = torch.Generator().manual_seed(seed)
    pixels, k, n = (shape.batch, shape.height, shape.width), len(shape.directions), shape.states

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=generator)

    inputs = {
        "u": normal(*pixels, shape.channels),
        "delta": normal(*pixels, k, shape.channels),
        "A": -torch.arange(1, n + 1).float().expand(k, shape.channels, n).clone(),
        "B": normal(*pixels, k, n),
        "C": normal(*pixels, k, n),
        "D": torch.ones(k, shape.channels),
        "z": normal(*pixels, shape.channels),
        "delta_bias": normal(k, shape.channels) - 4,
    }
    return {name: x.to(device) for name, x in inputs.items()}


@torch.no_grad()
def forward(shape: Shape, inputs: Mapping[str, Any], backend: Any) -> dict[str, Tensor]:
    """The result, without a graph."""
    return {"y": selective_scan_2d(**inputs, directions=shape.directions, backend=backend)}


def step(shape: Shape, inputs: Mapping[str, Any], backend: Any) -> dict[str, Tensor]:
    """The gradient of every input, with the upstream gradient equal to u."""
    leaves: dict[str, Any] = {n: x.detach().requires_grad_() for n, x in inputs.items()}
    y = selective_scan_2d(**leaves, directions=shape.directions, backend=backend)
    y.backward(inputs["u"].to(y.dtype))
    return {name: x.grad for name, x in leaves.items() if x.grad is not None}


@torch.no_grad()
def materialised_loop(inputs: Mapping[str, Tensor]) -> Tensor:
    """exp(dt A) and dt B u for all steps at once, then a loop: how mamba-ssm's reference works."""
    u, A = inputs["u"][:, 0], inputs["A"][0]
    delta, B, C = (inputs[name][:, 0, :, 0] for name in ("delta", "B", "C"))
    dt = F.softplus(delta + inputs["delta_bias"][0]).transpose(1, 2)
    decay = torch.exp(dt[..., None] * A[:, None])  # b, d, L, n
    drive = (dt * u.transpose(1, 2))[..., None] * B[:, None]
    state, outputs = torch.zeros_like(decay[:, :, 0]), []
    for t in range(u.shape[1]):
        state = decay[:, :, t] * state + drive[:, :, t]
        outputs.append((state * C[:, None, t]).sum(-1))
    y = torch.stack(outputs, dim=1) + inputs["D"][0] * u
    return (y * F.silu(inputs["z"][:, 0])).unsqueeze(1)


def _errors(
    shape: Shape,
    inputs: Mapping[str, Tensor],
    ways: Mapping[str, Callable[[], dict[str, Tensor]]],
    work: str,
) -> dict[str, float]:
    exact = {name: x.double() for name, x in inputs.items()}
    wanted = _run(shape, exact, LOOP, work)
    errors = {}
    for name, way in ways.items():
        found = way()
        worst = max(
            ((found[key].double() - value).abs().max() / value.abs().max()).item()
            for key, value in wanted.items()
        )
        errors[name] = float(f"{worst:.2g}")
    return errors


def _peaks_mb(
    shape: Shape, backend: str, works: Sequence[str], device: str
) -> dict[str, float | None]:
    if device != "cpu":
        inputs = make_inputs(shape, device)
        return {work: _peak_on_cuda(shape, inputs, backend, work) for work in works}
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peaks_here, (shape, backend, works))


def _peak_on_cuda(shape: Shape, inputs: Mapping[str, Tensor], backend: str, work: str) -> float:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    _run(shape, inputs, backend, work)
    return round((torch.cuda.max_memory_allocated() - before) / 1e6, 1)


def _peaks_here(shape: Shape, backend: str, works: Sequence[str]) -> dict[str, float | None]:
    """Resident memory beyond the inputs at its highest, by pass, in this fresh process."""
    torch.set_num_threads(1)
    inputs = make_inputs(shape)
    warm = replace(shape, batch=1, height=1, width=70)
    peaks: dict[str, float | None] = {}
    for work in works:
        _run(warm, make_inputs(warm), backend, work)  # compiles, or loads, the kernels
        try:
            ctypes.CDLL("libc.so.6").malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")  # forgets the highest so far
            before = _resident_kb("VmRSS")
            _run(shape, inputs, backend, work)
            peaks[work] = round((_resident_kb("VmHWM") - before) / 1e3, 1)
        except OSError:  # not Linux
            peaks[work] = None
    return peaks


def _run(shape: Shape, inputs: Mapping[str, Tensor], backend: str, work: str) -> dict[str, Tensor]:
    return (forward if work == FORWARD else step)(shape, inputs, backend)


def _resident_kb(field: str) -> int:
    match = re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())
    if match is None:
        raise OSError(f"no {field} in /proc/self/status")
    return int(match[1])
