"""The selective scan by Triton, for CUDA; on the CPU in Triton's interpreter, for tests.

Every direction of every image is cut into chunks, and a program takes a chunk of a block of
channels, a channel to a thread with its states in registers:

1. every chunk runs from a state of zero;
2. a short loop over the chunks carries states across;
3. every chunk runs again from its true state and writes what its direction gives to each pixel,

and torch sums the directions. Backward is the same three steps for the adjoint, in reverse.
Nothing is summed by atomics, so results repeat bit for bit.

Paper: Blelloch 1990, section 1.4 (the chunked recurrence); Gu and Dao 2023 (Mamba), section 3.3.2
(states recomputed in the backward pass).
"""

from __future__ import annotations

import importlib.util
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .reference import CHUNK, ScanGrid, ScanInputs
from .torch_backend import gate_gradient

_CHANNELS = 32  # of a block: the threads of a warp
_MARKS = 4  # steps between two states that the backward pass keeps while it runs


def why_not(device: torch.device) -> str:
    """Why it cannot run on ``device``, "" where it can."""
    if importlib.util.find_spec("triton") is None:
        return "the package triton is not installed; pip install triton"
    if device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        return f"runs on CUDA, and u is on {device}"
    return ""


def forward(inputs: ScanInputs, grid: ScanGrid) -> tuple[Tensor, Tensor]:
    """The problem of ``reference``: y (b, L, d) and the states after every chunk."""
    from . import triton_kernels as kernels

    u, delta, A, B, C, D, z, bias = inputs
    u, delta, B, C, D, bias = _dense(u, delta, B, C, D, bias)
    launch = _Launch.of(u, A, B, grid)
    states, sums, y = launch.states(), launch.sums(), launch.partial()
    read = (u, delta, A.mT.contiguous(), B, C, D, bias)
    with _on(u):
        launch(kernels.advance, read, states, sums)
        launch(kernels.carry, read, states, sums, chunks=1, BACKWARD=False)
        launch(kernels.emit, read, states, y)
    total = y.sum(1)
    return (total if z is None else total.mul_(F.silu(z))), states.mT.contiguous()


def backward(
    dy: Tensor, inputs: ScanInputs, states: Tensor, grid: ScanGrid
) -> tuple[Tensor | None, ...]:
    """Gradients of u, delta, A, B, C, D, z, bias (None where the input is None)."""
    from . import triton_kernels as kernels

    u, delta, A, B, C, D, z, bias = inputs
    dy, u, delta, B, C, D, bias = _dense(dy, u, delta, B, C, D, bias)
    launch = _Launch.of(u, A, B, grid)
    upstream = dy if z is None else (dy * F.silu(z)).contiguous()
    adjoints, sums = launch.states(), launch.sums()
    marks = launch.states(CHUNK // _MARKS)
    ddelta, du, dA = torch.empty_like(delta), launch.partial(), launch.states()
    dB, dC = launch.shared(), launch.shared()
    dD = None if D is None else launch.sums()
    dbias = None if bias is None else launch.sums()
    out = None if z is None else launch.partial()
    read = (u, delta, A.mT.contiguous(), B, C, D, bias)
    results = (du, ddelta, dA, dB, dC, dD, dbias, out)
    states = states.mT.contiguous()
    with _on(u):
        launch(kernels.retreat, read, upstream, states, adjoints, sums, marks, MARKS=_MARKS)
        launch(kernels.carry, read, adjoints, sums, chunks=1, BACKWARD=True)
        launch(kernels.differentiate, read, upstream, adjoints, marks, results, MARKS=_MARKS)
    return (
        du.sum(1),
        ddelta,
        dA.sum((0, 2)).mT.contiguous(),
        dB.sum(4).view_as(B),
        dC.sum(4).view_as(C),
        None if dD is None else dD.sum((0, 2)),
        None if z is None or out is None else gate_gradient(dy, out.sum(1), z),
        None if dbias is None else dbias.sum((0, 2)),
    )


@dataclass(frozen=True)
class _Launch:
    """Sizes of a problem, its buffers, and how its kernels are started."""

    like: Tensor
    batch: int
    channels: int
    order: int  # states of a channel
    groups: int
    block: int  # channels of a program
    blocks: int  # of a group
    grid: ScanGrid

    @classmethod
    def of(cls, u: Tensor, A: Tensor, B: Tensor, grid: ScanGrid) -> _Launch:
        width = u.shape[2] // B.shape[3]
        block = min(_CHANNELS, _power_of_two(width))
        return cls(
            like=u,
            batch=u.shape[0],
            channels=u.shape[2],
            order=A.shape[2],
            groups=B.shape[3],
            block=block,
            blocks=-(-width // block),
            grid=grid,
        )

    def __call__(
        self, kernel: Any, *arguments: Any, chunks: int | None = None, **options: int
    ) -> None:
        """Start a kernel with a program for every chunk, or for ``chunks`` of a sequence."""
        grid = self.grid
        packed = sum(direction << 2 * k for k, direction in enumerate(grid.directions))
        size = (packed, grid.height, grid.width, self.channels, self.order, self.groups)
        in_sequence = (chunks or grid.chunks) * self.groups * self.blocks
        kernel[(in_sequence, len(grid.directions), self.batch)](
            *arguments,
            (*size, self.blocks),
            SOFTPLUS=grid.softplus,
            STATES=_power_of_two(self.order),
            CHANNELS=self.block,
            CHUNK=CHUNK,
            num_warps=1,
            **options,
        )

    def states(self, times: int = 1) -> Tensor:
        """A number for every state, ``times`` a chunk."""
        chunks = self.grid.chunks * times
        k, d = len(self.grid.directions), self.channels
        return self.like.new_empty(self.batch, k, chunks, self.order, d)

    def sums(self) -> Tensor:
        """A number for every channel of every chunk."""
        k = len(self.grid.directions)
        return self.like.new_empty(self.batch, k, self.grid.chunks, self.channels)

    def partial(self) -> Tensor:
        """What each direction gives to every pixel."""
        k = len(self.grid.directions)
        return self.like.new_empty(self.batch, k, self.grid.length, self.channels)

    def shared(self) -> Tensor:
        """What each block of channels gives to the gradient of B or C."""
        k, own = len(self.grid.directions), (self.groups, self.blocks, self.order)
        return self.like.new_empty(self.batch, self.grid.length, k, *own)


def _dense(*tensors: Tensor | None) -> Any:
    return tuple(None if x is None else x.contiguous() for x in tensors)


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


def _on(like: Tensor) -> AbstractContextManager[object]:
    """The device that kernels start on."""
    return torch.cuda.device(like.device) if like.is_cuda else nullcontext()
