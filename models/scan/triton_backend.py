"""The selective scan by Triton, for CUDA; on the CPU in Triton's interpreter, for tests.

A program takes a block of channels, a channel to a thread with its states in registers, through a
part of a direction's steps. Directions along one axis share a program: it goes through its pixels
there and back, writes y on the way there and adds to it on the way back, and the second axis adds
to the first. So y is one plane, and no direction writes one of its own.

Forward, where there are too few sequences for the GPU, each is cut into parts:

1. every part runs from a state of zero;
2. a short loop over the parts carries states across;
3. every part runs from its true state and writes y.

Where there are enough, step 3 is all, and each input is read once. Backward is the same three steps
for the adjoint over chunks of 64 steps, in reverse. Nothing is summed by atomics, so results repeat
bit for bit.

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

CHANNELS = 32  # of a block: the threads of a warp
MARKS = 4  # steps between two states that the backward pass keeps while it runs
PROGRAMS = 1056  # that forward wants at once: eight warps on each of an H100's 132 multiprocessors


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
    u, delta, B, C, D, z, bias = _dense(u, delta, B, C, D, z, bias)
    launch = _Launch.of(u, A, B, grid)
    parts, span = launch.parts()
    states, y = launch.states(grid.chunks), torch.empty_like(u)
    read = (u, delta, A.mT.contiguous(), B, C, D, bias)
    with _on(u):
        entering = None
        if parts > 1:
            entering, sums = launch.states(parts), launch.sums(parts)
            launch(kernels.advance, read, entering, sums, span=span, parts=parts)
            launch(kernels.carry, read, entering, sums, parts=parts, programs=1, BACKWARD=False)
        axes = _axes(grid)
        for number, axis in enumerate(axes):
            last = number == len(axes) - 1
            launch(
                kernels.emit,
                *(read, entering, states, y, z if last else None),
                span=span,
                parts=parts,
                directions=axis,
                PAIR=len(axis) - 1,
                ADD=number > 0,
            )
    return y, states.mT


def backward(
    dy: Tensor, inputs: ScanInputs, states: Tensor, grid: ScanGrid
) -> tuple[Tensor | None, ...]:
    """Gradients of u, delta, A, B, C, D, z, bias (None where the input is None)."""
    from . import triton_kernels as kernels

    u, delta, A, B, C, D, z, bias = inputs
    dy, u, delta, B, C, D, bias = _dense(dy, u, delta, B, C, D, bias)
    launch = _Launch.of(u, A, B, grid)
    chunks = grid.chunks
    upstream = dy if z is None else (dy * F.silu(z)).contiguous()
    adjoints, sums = launch.states(chunks), launch.sums(chunks)
    marks = launch.states(chunks * (CHUNK // MARKS))
    ddelta, du, dA = torch.empty_like(delta), torch.empty_like(u), launch.states(chunks)
    dB, dC = launch.shared(), launch.shared()
    dD = None if D is None else launch.sums(chunks)
    dbias = None if bias is None else launch.sums(chunks)
    out = None if z is None else torch.empty_like(u)
    read = (u, delta, A.mT.contiguous(), B, C, D, bias)
    results = (du, ddelta, dA, dB, dC, dD, dbias, out)
    states = states.mT.contiguous()
    with _on(u):
        launch(kernels.retreat, read, upstream, states, adjoints, sums, marks, MARKS=MARKS)
        launch(kernels.carry, read, adjoints, sums, parts=chunks, programs=1, BACKWARD=True)
        for k in range(len(grid.directions)):
            launch(
                kernels.differentiate,
                *(read, upstream, adjoints, marks, results),
                directions=(k,),
                MARKS=MARKS,
                ADD=k > 0,
            )
    return (
        du,
        ddelta,
        dA.sum((0, 2)).mT.contiguous(),
        dB.sum(4).view_as(B),
        dC.sum(4).view_as(C),
        None if dD is None else dD.sum((0, 2)),
        None if z is None or out is None else gate_gradient(dy, out, z),
        None if dbias is None else dbias.sum((0, 2)),
    )


def _axes(grid: ScanGrid) -> list[tuple[int, ...]]:
    """Places of the directions along rows, and of those along columns, where there are any."""
    places = range(len(grid.directions))
    axes = (tuple(k for k in places if grid.directions[k] % 2 == axis) for axis in (0, 1))
    return [axis for axis in axes if axis]


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
        block = min(CHANNELS, _power_of_two(width))
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

    def parts(self) -> tuple[int, int]:
        """Into how many parts forward cuts a sequence, and the steps of one: whole chunks."""
        sequences = self.batch * self.groups * self.blocks
        wanted = min(-(-PROGRAMS // max(sequences, 1)), self.grid.chunks)
        chunks = -(-self.grid.chunks // max(wanted, 1))
        return -(-self.grid.chunks // chunks), chunks * CHUNK

    def __call__(
        self,
        kernel: Any,
        *arguments: Any,
        span: int = CHUNK,
        parts: int | None = None,
        programs: int | None = None,
        directions: tuple[int, ...] = (),
        **options: int,
    ) -> None:
        """Start a kernel.

        Args:
            kernel: its arguments come next.
            arguments: before ``size``.
            span: steps of a part.
            parts: of a sequence, where the kernel asks; else it takes chunks.
            programs: of a sequence, default one a part or chunk.
            directions: places of those that it takes, where it asks; else it takes all.
            options: its other constants.
        """
        grid, k = self.grid, len(self.grid.directions)
        packed = sum(direction << 2 * place for place, direction in enumerate(grid.directions))
        size = (packed, grid.height, grid.width, self.channels, k, self.groups, self.blocks, span)
        constants = {
            "SOFTPLUS": grid.softplus,
            "ORDER": self.order,
            "STATES": _power_of_two(self.order),
            "CHANNELS": self.block,
            "CHUNK": CHUNK,
            **options,
        }
        asked = {name: value for name, value in constants.items() if name in kernel.arg_names}
        places = [*directions, -1][: 2 if "second" in kernel.arg_names else 1] if directions else []
        in_sequence = (programs or parts or grid.chunks) * self.groups * self.blocks
        kernel[(in_sequence, self.batch, 1 if directions else k)](
            *arguments,
            size,
            *([] if parts is None else [parts]),
            *places,
            **asked,
            num_warps=1,
        )

    def states(self, rows: int) -> Tensor:
        """A number for every state, ``rows`` times in each direction of each image."""
        k, d = len(self.grid.directions), self.channels
        return self.like.new_empty(self.batch, k, rows, self.order, d)

    def sums(self, rows: int) -> Tensor:
        """A number for every channel, likewise."""
        k = len(self.grid.directions)
        return self.like.new_empty(self.batch, k, rows, self.channels)

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
