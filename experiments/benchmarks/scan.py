"""Speed, memory and error of the scan's backends beside a loop over time."""

from __future__ import annotations

import ctypes
import multiprocessing
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
import tyro
from torch import Tensor

from ...datasets.base.bounds import Count
from ...datasets.base.errors import UserError, unknown
from ...datasets.base.outputs import JsonOutput, PlotOutput
from ...models.scan.selective_scan import available, selective_scan_2d
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
from .scan_results import (
    FORWARD,
    LOOP,
    STEP,
    STYLE,
    YARDSTICK,
    ScanBenchmark,
    ScanShape,
    ScanTiming,
    ShapeResult,
    plot_scan,
)
from .scan_yardstick import yardstick

_CHAIN = "mamba_ssm"
_TOO_MUCH = 2e9  # bytes that autograd of the loop may keep
_TOO_MUCH_ON_CUDA = 2e10  # where the loop is not timed, but tells the errors
_LOOP_ROUNDS = 3  # the loops take seconds


def _sequence(name: str, channels: int, states: int, length: int, batch: int = 1) -> ScanShape:
    return ScanShape(
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
    ScanShape(name="ColorMamba 256", height=34, width=34, channels=512),
    ScanShape(name="ColorMamba 128", height=66, width=66, channels=256),
    ScanShape(name="ColorMamba 64", height=130, width=130, channels=128),
)
TINY = _sequence("tiny", 2, 1, 5)  # for rehearsals: by its name only
# at 1,128,16,4096 on one thread: (to reach, stretch) over the loop
TARGETS = {
    "torch": {FORWARD: (10.0, 10.0), STEP: (8.0, 8.0)},
    "numba": {FORWARD: (50.0, 120.0), STEP: (20.0, 80.0)},
}


def bench_scan(
    out: JsonOutput = Path("results/benchmarks/scan.json"),
    *,
    plot: Annotated[PlotOutput | None, tyro.conf.arg(metavar="FILE")] = Path(
        "results/benchmarks/scan.svg"
    ),
    device: Literal["cpu", "cuda"] = "cpu",
    shapes: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = (),
    repeats: Count = 9,
) -> ScanBenchmark:
    """Forward and forward+backward of every backend that runs here, in one process.

    On the CPU one thread, the process's CPU time, and the loop over time as the reference, beside a
    forward pass in C++ that is compiled here, where there is a compiler; on
    CUDA the wall time of synchronised calls, and as the reference mamba-ssm's kernel with
    cross-scan copies and merge around it, or ``torch`` where that package is missing. Peak memory
    is measured in a process of its own on the CPU. The file is written after each shape.

    Args:
        out: JSON file to write.
        plot: picture to write (svg, png, pdf); ``None`` writes none.
        device: where.
        shapes: names of shapes, default all.
        repeats: how often each backend runs; the loop, which takes seconds, at most three times.

    Raises:
        UserError: an unknown shape, or a picture that cannot be drawn.
    """
    by_name = {shape.name: shape for shape in (*SHAPES, TINY)}
    for name in shapes:
        if name not in by_name:
            raise UserError(unknown("shape", name, by_name))
    reasons = available(device)
    backends = [name for name, reason in reasons.items() if not reason]
    chosen = [by_name[name] for name in shapes] or list(SHAPES)
    with torch_threads(1):
        result = ScanBenchmark(
            results=[],
            targets=TARGETS,
            unavailable={name: reason for name, reason in reasons.items() if reason},
            device=device_name(device),
            unit="time of a call" + (" (process CPU time)" if device == "cpu" else ""),
            dtype="float32",
            repeats=repeats,
            machine=machine(),
            versions=versions("torch", "numba", "triton", "mamba-ssm"),
        )
        for shape in chosen:
            result.results.append(_bench_shape(shape, backends, device, repeats))
            save_benchmark(result, out)
    if plot is not None:
        plot_scan(result, plot)
    return result


def _bench_shape(
    shape: ScanShape, backends: Sequence[str], device: str, repeats: int
) -> ShapeResult:
    inputs = make_inputs(shape, device)
    skipped, cells, references = {}, [], {}
    works = {work: _calls(shape, inputs, backends, work, device) for work in (FORWARD, STEP)}
    if LOOP in works[FORWARD] and LOOP not in works[STEP]:
        skipped[f"{LOOP}, {STEP}"] = f"autograd would keep {shape.loop_bytes / 1e9:.1f} GB"
    if device == "cpu":
        compiled = yardstick(shape)
        if isinstance(compiled, str):
            skipped[YARDSTICK] = compiled
        else:
            works[FORWARD][YARDSTICK] = lambda: {"y": compiled(inputs)}
    peaks = {
        name: _peaks_mb(shape, name, [work for work in works if name in works[work]], device)
        for name in backends
    }
    for work, calls in works.items():
        references[work] = next(name for name in (LOOP, _CHAIN, "torch") if name in calls)
        timings = _time(calls, repeats, references[work], device)
        known = LOOP in calls or (device != "cpu" and 2 * shape.loop_bytes < _TOO_MUCH_ON_CUDA)
        errors = _errors(shape, inputs, calls, work) if known else {}
        cells += [
            ScanTiming(
                backend=name,
                work=work,
                timing=timing,
                peak_mb=peaks.get(name, {}).get(work),
                error=errors.get(name),
            )
            for name, timing in timings.items()
        ]
    return ShapeResult(shape=shape, reference=references, cells=cells, skipped=skipped)


def _calls(
    shape: ScanShape, inputs: Mapping[str, Tensor], backends: Sequence[str], work: str, device: str
) -> dict[str, Callable[[], dict[str, Tensor]]]:
    calls: dict[str, Callable[[], dict[str, Tensor]]] = {
        name: partial(_run, shape, inputs, name, work) for name in backends
    }
    if device != "cpu" or (work == STEP and shape.loop_bytes > _TOO_MUCH):
        calls.pop(LOOP, None)
    if work == FORWARD and device == "cpu" and len(shape.directions) == 1:
        calls[STYLE] = lambda: {"y": materialised_loop(inputs)}
    return calls


def _time(
    calls: Mapping[str, Callable[[], object]], repeats: int, reference: str, device: str
) -> dict[str, Timing]:
    if device != "cpu":
        return {
            t.name: t for t in race(calls, repeats, reference=reference, clock=device_clock(device))
        }
    # the loops join the first rounds only, and are what these rounds' ratios refer to
    few = race(calls, min(repeats, _LOOP_ROUNDS), reference=reference)
    fast = {name: call for name, call in calls.items() if name not in (LOOP, STYLE)}
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


def make_inputs(shape: ScanShape, device: str = "cpu", seed: int = 0) -> dict[str, Tensor]:
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
def forward(shape: ScanShape, inputs: Mapping[str, Any], backend: Any) -> dict[str, Tensor]:
    """The result, without a graph."""
    return {"y": selective_scan_2d(**inputs, directions=shape.directions, backend=backend)}


def step(shape: ScanShape, inputs: Mapping[str, Any], backend: Any) -> dict[str, Tensor]:
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
    shape: ScanShape,
    inputs: Mapping[str, Tensor],
    calls: Mapping[str, Callable[[], dict[str, Tensor]]],
    work: str,
) -> dict[str, float]:
    exact = {name: x.double() for name, x in inputs.items()}
    expected = _run(shape, exact, LOOP, work)
    errors = {}
    for name, call in calls.items():
        values = call()
        worst = max(
            ((values[key].double() - value).abs().max() / value.abs().max()).item()
            for key, value in expected.items()
        )
        errors[name] = float(f"{worst:.2g}")
    return errors


def _peaks_mb(
    shape: ScanShape, backend: str, works: Sequence[str], device: str
) -> dict[str, float | None]:
    if device != "cpu":
        inputs = make_inputs(shape, device)
        return {work: _peak_on_cuda(shape, inputs, backend, work) for work in works}
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peaks_here, (shape, backend, works))


def _peak_on_cuda(shape: ScanShape, inputs: Mapping[str, Tensor], backend: str, work: str) -> float:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    _run(shape, inputs, backend, work)
    return round((torch.cuda.max_memory_allocated() - before) / 1e6, 1)


def _peaks_here(shape: ScanShape, backend: str, works: Sequence[str]) -> dict[str, float | None]:
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


def _run(
    shape: ScanShape, inputs: Mapping[str, Tensor], backend: str, work: str
) -> dict[str, Tensor]:
    return (forward if work == FORWARD else step)(shape, inputs, backend)


def _resident_kb(field: str) -> int:
    match = re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())
    if match is None:
        raise OSError(f"no {field} in /proc/self/status")
    return int(match[1])
