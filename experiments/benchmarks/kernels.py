"""The scan's Triton kernels, read without running them, and the two limits of each shape.

Triton compiles for a GPU that is not there. What the compiled code holds (registers, spills, loads,
exponentials) is read from it; what a shape cannot do without (bytes moved once, exponentials) is
counted, and divided by what an H100 moves and computes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Group
from rich.table import Table

from ...datasets.base.bounds import Count
from ...datasets.base.errors import UserError, unknown
from ...datasets.base.outputs import JsonOutput
from ..evaluation.timing import machine, save_benchmark, versions
from .scan import SHAPES
from .scan_results import FORWARD, STEP, ScanShape

# of an H100 SXM, from its data sheet: memory, and 16 exponentials a clock of each of 132
# multiprocessors at 1.755 GHz
BYTES_PER_S = 3.35e12
EXPONENTIALS_PER_S = 16 * 132 * 1.755e9
_CHILD = "crosschroma.models.scan.triton_ahead"
_COUNTED = {
    "loads": r"ld\.global",
    "stores": r"st\.global",
    "exponentials": r"ex2\.approx",
    "shuffles": r"shfl",
    "barriers": r"bar\.sync",
}


@dataclass(frozen=True, kw_only=True)
class KernelReading:
    """A compiled kernel: instructions in its text, not as often as they run.

    Attributes:
        registers: of a thread; 255 is the most.
        spilled: bytes of local memory a thread, where registers do not suffice.
        shared: bytes of shared memory a program.
    """

    name: str
    constants: dict[str, int]
    registers: int
    spilled: int
    shared: int
    instructions: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class ScanLimit:
    """What a shape cannot do without, and the time that an H100 needs for it.

    Attributes:
        megabytes: each input read once, each output and saved state written once.
        exponentials: millions, one for each state of each step, and softplus's.
        bytes_us: time to move them; ``exponentials_us``, to compute these.
    """

    shape: str
    work: str
    megabytes: float
    exponentials: float
    bytes_us: float
    exponentials_us: float


@dataclass(frozen=True, kw_only=True)
class KernelsBenchmark:
    """What ``bench_kernels`` read and counted."""

    kernels: list[KernelReading]
    limits: list[ScanLimit]
    target: str
    machine: dict[str, Any]
    versions: dict[str, str]

    def __rich__(self) -> Group:
        """The kernels and the limits as tables, for ``rich.print``."""
        heads = ("kernel", "constants", "registers", "spilled", "shared", *_COUNTED)
        kernels = Table(*heads, title=f"compiled for {self.target}")
        for kernel in self.kernels:
            constants = " ".join(f"{name}={value}" for name, value in kernel.constants.items())
            counted = [kernel.registers, kernel.spilled, kernel.shared]
            counted += [kernel.instructions[name] for name in _COUNTED]
            kernels.add_row(kernel.name, constants, *map(str, counted))
        heads = ("shape", "pass", "MB", "M exp", "µs for bytes", "µs for exp", "bound by")
        limits = Table(*heads, title="limits on an H100")
        for limit in self.limits:
            bound = "bytes" if limit.bytes_us > limit.exponentials_us else "exponentials"
            values = (limit.megabytes, limit.exponentials, limit.bytes_us, limit.exponentials_us)
            row = (f"{value:.1f}" for value in values)
            limits.add_row(limit.shape, limit.work, *row, bound)
        return Group(kernels, limits)


def bench_kernels(
    out: JsonOutput = Path("results/benchmarks/kernels.json"),
    *,
    shapes: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = (),
    capability: Count = 90,
) -> KernelsBenchmark:
    """Compile the scan's Triton kernels for a GPU, read them, and count each shape's limits.

    Needs no GPU. Limits are those of an H100, whatever the kernels are compiled for.

    Args:
        out: JSON file to write.
        shapes: names of ``bench scan``'s shapes, default all; their states decide what is compiled.
        capability: compute capability: 90 is an H100 or H200, 80 an A100.

    Raises:
        UserError: an unknown shape; Triton is missing, or does not compile.
    """
    by_name = {shape.name: shape for shape in SHAPES}
    for name in shapes:
        if name not in by_name:
            raise UserError(unknown("shape", name, by_name))
    chosen = [by_name[name] for name in shapes or by_name]
    result = KernelsBenchmark(
        kernels=_readings(sorted({shape.states for shape in chosen}), capability),
        limits=[scan_limit(shape, work) for shape in chosen for work in (FORWARD, STEP)],
        target=f"sm_{capability}",
        machine=machine(),
        versions=versions("torch", "triton"),
    )
    save_benchmark(result, out)
    return result


def scan_limit(shape: ScanShape, work: str) -> ScanLimit:
    """Bytes and exponentials that a pass over a shape needs, all in float32.

    Forward reads u, delta, B, C, z and writes y. Forward and backward also read these and the
    gradient of y again and write the gradients of all; each decay is needed in both.
    """
    pixels, k = shape.batch * shape.height * shape.width, len(shape.directions)
    values, deltas = pixels * shape.channels, pixels * shape.channels * k
    vectors = 2 * pixels * k * shape.states
    once = 2 * values + deltas + vectors  # u, z, delta, B and C
    moved = once + values
    exponentials = deltas * (shape.states + 1)
    if work == STEP:
        moved += once + values + once
        exponentials += deltas * (shape.states + 1)
    return ScanLimit(
        shape=shape.name,
        work=work,
        megabytes=round(4e-6 * moved, 2),
        exponentials=round(1e-6 * exponentials, 2),
        bytes_us=round(4e6 * moved / BYTES_PER_S, 2),
        exponentials_us=round(1e6 * exponentials / EXPONENTIALS_PER_S, 2),
    )


def _readings(states: list[int], capability: int) -> list[KernelReading]:
    """In a process of its own: the interpreter may be on in this one."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", _CHILD, folder, str(capability), *map(str, states)],
            env={**os.environ, "TRITON_INTERPRET": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            reason = done.stderr.strip().rpartition("\n")[2]
            raise UserError(f"Triton compiles no kernels here: {reason}")
        compiled = json.loads((Path(folder) / "kernels.json").read_text())
        return [_reading(Path(folder), entry) for entry in compiled]


def _reading(folder: Path, entry: dict[str, Any]) -> KernelReading:
    ptx = (folder / f"{entry['file']}.ptx").read_text()
    usage = subprocess.run(
        [entry["cuobjdump"], "-res-usage", str(folder / f"{entry['file']}.cubin")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    fields = {name: int(value) for name, value in re.findall(r"(\w+):(\d+)", usage)}
    return KernelReading(
        name=entry["name"],
        constants=entry["constants"],
        registers=fields.get("REG", 0),
        spilled=fields.get("LOCAL", 0) + fields.get("STACK", 0),
        shared=entry["shared"],
        instructions={name: len(re.findall(text, ptx)) for name, text in _COUNTED.items()},
    )
