"""What every benchmark shares: candidates that take turns, ratios to a named one, the machine."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...datasets.base.atomic_write import write_text_atomic
from ..artifacts.provenance import device_text


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds that one of several candidates takes for the same work, over the repeats."""

    name: str
    median: float
    p10: float
    p90: float
    ratio: float  # median over the repeats of the reference's time over this one's


def race(
    candidates: Mapping[str, Callable[[], object]],
    repeats: int,
    *,
    reference: str,
    clock: Callable[[], float] = time.process_time,
    warm_up: bool = True,
) -> list[Timing]:
    """Time candidates for the same work; they take turns.

    Args:
        candidates: what to run, by name.
        repeats: rounds that count.
        reference: the candidate that ratios refer to.
        clock: seconds; by default the process's CPU time, which a busy machine disturbs least.
        warm_up: go through one more round before those that count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for repeat in range(-warm_up, repeats):
        for name, run in candidates.items():
            start = clock()
            run()
            if repeat >= 0:
                seconds[name].append(clock() - start)
    return [_timing(name, values, seconds[reference]) for name, values in seconds.items()]


def _timing(name: str, values: Sequence[float], reference: Sequence[float]) -> Timing:
    low, median, high = (float(f"{x:.4g}") for x in np.percentile(values, (10, 50, 90)))
    ratios = [other / value for value, other in zip(values, reference, strict=True)]
    ratio = float(f"{statistics.median(ratios):.4g}")
    return Timing(name=name, median=median, p10=low, p90=high, ratio=ratio)


def device_clock(device: str) -> Callable[[], float]:
    """Wall time in seconds, of a GPU once it has done all that it was given."""

    def synchronised() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return time.perf_counter if device == "cpu" else synchronised


def device_name(device: str) -> str:
    """``cpu``, whose name ``machine`` tells, or the GPU's name, with TF32 where it is allowed."""
    return device if device == "cpu" else device_text(torch.device(device))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Torch computes with ``count`` intra-op threads within it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def machine() -> dict[str, Any]:
    """What a figure was measured on; call it with the threads that it was measured with."""
    return {
        "cpu": device_text(torch.device("cpu")),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions(*names: str) -> dict[str, str]:
    """Versions of Python and of those packages that are installed."""
    installed = {"python": platform.python_version()}
    for name in names:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def save_benchmark(result: Any, out: Path) -> None:
    """Write a benchmark's dataclass as JSON."""
    write_text_atomic(out, json.dumps(asdict(result), indent=1) + "\n")
