"""The selective scan on the CPU, by kernels that numba compiles on first use (``numba_kernels``).

Tasks run on as many threads as torch has. No result depends on their number: sums over channels
go through a fixed number of partial buffers.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import numba_kernels as kernels
from .numba_simd import LANES
from .reference import ScanGrid, ScanInputs

_PARTS = 4  # partial sums of the gradients of B and C an image
_ADDRESSES = (
    *("u", "delta", "A", "B", "C", "D", "z", "bias", "states", "y"),
    *("dy", "du", "ddelta", "dA", "dB", "dC", "dD", "dz", "dbias"),
)
_NUMBERS = (
    *("batch", "length", "channels", "directions", "order", "groups", "chunks"),
    *("softplus", "gated", "tiles", "parts", "room"),
)
# in floats, of image, pixel, direction and, of B and C, group; the last axis has stride 1
_DELTA_STRIDES = ("delta_image", "delta_pixel", "delta_direction")
_B_STRIDES = ("b_image", "b_pixel", "b_direction", "b_group")
_C_STRIDES = ("c_image", "c_pixel", "c_direction", "c_group")
# numba's cache on disk looks at a kernel's own file only: a field named after all the sources that
# went into it makes another type of problem, and thereby another kernel, of every version
_SOURCES = ("numba_kernels.py", "numba_simd.py", "reference.py")
_VERSION = sha256(b"".join(Path(__file__).with_name(name).read_bytes() for name in _SOURCES))
_STRIDES = (*_DELTA_STRIDES, *_B_STRIDES, *_C_STRIDES)
_NAMES = (*_ADDRESSES, *_NUMBERS, *_STRIDES, f"version_{_VERSION.hexdigest()[:16]}")
_PROBLEM = np.dtype([(name, np.int64) for name in _NAMES])


def forward(inputs: ScanInputs, grid: ScanGrid) -> tuple[Tensor, Tensor]:
    """The problem of ``reference`` in float32: y and the states after every chunk."""
    readable = _readable(inputs)
    u = readable.u
    y = u.new_empty(u.shape)
    k, d, n = readable.A.shape
    states = u.new_empty(u.shape[0], k, grid.chunks, d, n)
    problem, keep = _problem(readable, {"states": states, "y": y}, grid)
    tiles = int(problem["tiles"][0])
    _share(u.shape[0] * tiles, kernels.forward_tasks, problem, keep)
    return y, states


def backward(
    dy: Tensor, inputs: ScanInputs, states: Tensor, grid: ScanGrid
) -> tuple[Tensor | None, ...]:
    """Gradients of u, delta, A, B, C, D, z, bias (None where the input is None)."""
    readable = _readable(inputs)
    u, delta, A, B, C, _, z, _ = readable
    batch, k = u.shape[0], len(grid.directions)
    gradients = {
        "du": u.new_empty(u.shape),
        "ddelta": torch.empty_like(delta),
        "dA": A.new_empty(batch, *A.shape),
        "dB": B.new_zeros(_PARTS, *B.shape),
        "dC": C.new_zeros(_PARTS, *C.shape),
        "dD": A.new_empty(batch, k, u.shape[2]),
        "dz": None if z is None else z.new_empty(z.shape),
        "dbias": A.new_empty(batch, k, u.shape[2]),
    }
    others = {"states": states, "dy": dy.contiguous(), **gradients}
    problem, keep = _problem(readable, others, grid)
    _share(batch * _PARTS, kernels.backward_tasks, problem, keep)
    for name in ("dA", "dB", "dC", "dD", "dbias"):
        gradients[name] = gradients[name].sum(0)
    return tuple(
        None if x is None else gradients[f"d{name}"] for name, x in inputs._asdict().items()
    )


def _readable(inputs: ScanInputs) -> ScanInputs:
    """The inputs as the kernels read them.

    delta, B and C, the largest, may be views: one product makes them, and copies would cost.
    """

    def dense(x: Tensor | None) -> Tensor | None:
        return None if x is None else x.contiguous()

    u, delta, A, B, C, D, z, bias = inputs
    # the gradient of delta has its strides
    if delta.stride(-1) != 1 or torch.empty_like(delta).stride() != delta.stride():
        delta = delta.contiguous()
    B, C = (x if x.stride(-1) == 1 else x.contiguous() for x in (B, C))
    return ScanInputs(u.contiguous(), delta, A.contiguous(), B, C, dense(D), dense(z), dense(bias))


def _problem(
    inputs: ScanInputs, others: dict[str, Tensor | None], grid: ScanGrid
) -> tuple[np.ndarray, Any]:
    """The kernels' argument, and what must live as long as they run."""
    u, delta, A, B, C = inputs[:5]
    k, d, n = A.shape
    zeros = A.new_zeros(k, d)
    tensors = {**inputs._asdict(), **others}
    present = {name: zeros if x is None else x for name, x in tensors.items()}
    problem = np.zeros(1, _PROBLEM)
    for name, x in present.items():
        problem[name] = x.data_ptr()
    groups = B.shape[3]
    tiles = _tiles(d, groups)
    numbers = {
        "batch": u.shape[0],
        "length": grid.length,
        "channels": d,
        "directions": k,
        "order": n,
        "groups": groups,
        "chunks": grid.chunks,
        "softplus": grid.softplus,
        "gated": inputs.z is not None,
        "tiles": len(tiles),
        "parts": _PARTS,
        "room": kernels.room(n),
        **dict(zip(_DELTA_STRIDES, delta.stride(), strict=False)),
        **dict(zip(_B_STRIDES, B.stride(), strict=False)),
        **dict(zip(_C_STRIDES, C.stride(), strict=False)),
    }
    for name, value in numbers.items():
        problem[name] = value
    return problem, (present, _pixels(grid), tiles)


@cache
def _tiles(channels: int, groups: int) -> np.ndarray:
    """(first channel, channels, group) of every tile."""
    width = channels // groups
    return np.array(
        [
            (start, min(LANES, (group + 1) * width - start), group)
            for group in range(groups)
            for start in range(group * width, (group + 1) * width, LANES)
        ]
    )


@cache
def _pixels(grid: ScanGrid) -> np.ndarray:
    """The pixel at every step, of the directions one after the other."""
    return torch.cat([grid.pixels(direction) for direction in grid.directions]).numpy()


def _share(tasks: int, run: Callable[..., None], problem: np.ndarray, keep: Any) -> None:
    """Run tasks 0 to ``tasks``, on torch's number of threads."""
    _, pixels, tiles = keep
    workers = min(torch.get_num_threads(), tasks)
    room = np.empty((workers, int(problem["room"][0])), np.float32)
    edges = [tasks * worker // workers for worker in range(workers + 1)]
    pieces = [(edges[i], edges[i + 1], room[i].ctypes.data) for i in range(workers)]
    if workers == 1:
        run(problem, pixels, tiles, *pieces[0])
        return
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(run, problem, pixels, tiles, *piece) for piece in pieces]:
            done.result()
