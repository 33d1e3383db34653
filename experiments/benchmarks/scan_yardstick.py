"""A forward pass of the scan in C++, compiled for this processor: how fast it can be."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from ...models.scan.reference import CHUNK, ScanGrid
from ...models.scan.selective_scan import DIRECTIONS
from .scan_results import ScanShape

SOURCE = Path(__file__).with_name("scan_yardstick.cpp")
# a product and a sum may become one instruction; NaN and infinity stay what they are
_FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")
_NAMES = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")


def yardstick(shape: ScanShape) -> Callable[[Mapping[str, Tensor]], Tensor] | str:
    """A function of ``make_inputs`` that gives y (b, H, W, d), or why there is none for a shape.

    Each call makes its result and the saved states anew, as a backend does. Steps times A must
    stay above -87.
    """
    library = _library()
    if isinstance(library, str):
        return library
    if shape.channels % library.width() or shape.states > 64:
        return f"the kernel in C++ takes multiples of {library.width()} channels, up to 64 states"
    codes = tuple(map(DIRECTIONS.index, shape.directions))
    grid = ScanGrid(shape.height, shape.width, codes, softplus=True)
    pixels = torch.cat([grid.pixels(direction) for direction in codes])
    sizes = (shape.batch, grid.length, len(codes), shape.channels, shape.states)
    numbers = [ctypes.c_int64(size) for size in sizes]

    def forward(inputs: Mapping[str, Tensor]) -> Tensor:
        y = torch.empty_like(inputs["u"])
        chunks = -(-grid.length // CHUNK)
        states = y.new_empty(shape.batch, len(codes), chunks, shape.channels, shape.states)
        tensors = [*(inputs[name] for name in _NAMES), pixels, y, states]
        assert all(x.is_contiguous() for x in tensors)
        library.forward(*(ctypes.c_void_p(x.data_ptr()) for x in tensors), *numbers)
        return y

    return forward


@cache
def _library() -> ctypes.CDLL | str:
    """The compiled kernel, or why it cannot be had."""
    compiler = shutil.which(os.environ.get("CXX", "")) or shutil.which("g++")
    compiler = compiler or shutil.which("clang++")
    if compiler is None:
        return "no C++ compiler here (g++, clang++ or CXX)"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "scan_yardstick.so"
        command = [compiler, *_FLAGS, "-shared", "-fPIC", str(SOURCE), "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{compiler} does not compile it: {' '.join(done.stderr.split())[:300]}"
        library = ctypes.CDLL(str(target))
    library.width.restype = ctypes.c_int64
    library.forward.restype = None
    return library
