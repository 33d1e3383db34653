"""The selective scan in plain torch, for any device: chunks of the sequence advance together.

Every chunk of ``CHUNK`` steps first runs from a state of zero, all chunks at once; a short loop
over the chunks then carries states across, and a second pass runs from the true states. That is
two times ``CHUNK`` steps in Python, whatever the length. Work goes block by block of channels, so
that states stay in the cache and no temporary is large.

Paper: the chunked form of a linear recurrence (Blelloch 1990, section 1.4, in two levels).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from .reference import CHUNK, ScanGrid, ScanInputs

# states of all chunks of a block of channels: about what the cache holds, forward and backward
_FORWARD_STATES, _BACKWARD_STATES = 2**17, 2**15
_CUDA_STATES = 2**22
_Gradients = tuple[Tensor | None, ...]


def forward(inputs: ScanInputs, grid: ScanGrid) -> tuple[Tensor, Tensor]:
    """The problem of ``reference``: y (b, L, d) and the states after every chunk."""
    u, delta, A, B, C, D, z, bias = inputs
    batch, _, d = u.shape
    y = torch.zeros_like(u)
    states = u.new_empty(batch, len(grid.directions), grid.chunks, d, A.shape[-1])
    with _one_thread(u):
        for image, k, order in _sequences(batch, grid, u.device):
            steps = _steps(order.take(delta[image, :, k]), bias, k, grid.softplus)
            steps = order.within(steps)
            drives, b, c = (order.take(x) for x in (u[image], B[image, :, k], C[image, :, k]))
            out = torch.zeros_like(drives) if D is None else drives * D[k]
            for own, group in _blocks(grid, d, B.shape[3], A.shape[-1], u, _FORWARD_STATES):
                block = _Block.of(steps[..., own], drives[..., own], A[k, own], b[:, :, group])
                found, end = _run(block, c[:, :, group])
                states[image, k, :, own] = end
                out[..., own] += found
            y[image] += order.put(out)
        return (y if z is None else y.mul_(F.silu(z))), states


def backward(dy: Tensor, inputs: ScanInputs, states: Tensor, grid: ScanGrid) -> _Gradients:
    """Gradients of u, delta, A, B, C, D, z, bias (None where the input is None)."""
    u, delta, A, B, C, D, z, bias = inputs
    batch, _, d = u.shape
    du, ddelta, dA, dB, dC = (torch.zeros_like(x) for x in (u, delta, A, B, C))
    dD, dbias = (None if x is None else torch.zeros_like(x) for x in (D, bias))
    ungated = None if z is None else torch.zeros_like(u)
    n = A.shape[-1]
    blocks = list(_blocks(grid, d, B.shape[3], n, u, _BACKWARD_STATES))
    most = max(own.stop - own.start for own, _ in blocks)
    space = [u.new_empty(CHUNK * grid.chunks * most * n) for _ in range(4)]
    with _one_thread(u):
        upstream = dy if z is None else dy * F.silu(z)
        for image, k, order in _sequences(batch, grid, u.device):
            raw = order.take(delta[image, :, k])
            steps = order.within(_steps(raw, bias, k, grid.softplus))
            drives, b, c = (order.take(x) for x in (u[image], B[image, :, k], C[image, :, k]))
            ahead = order.within(order.take(upstream[image]))
            db, dc = torch.zeros_like(b), torch.zeros_like(c)
            ddrive, dstep, out = (torch.empty_like(drives) for _ in range(3))
            for own, group in blocks:
                block = _Block.of(steps[..., own], drives[..., own], A[k, own], b[:, :, group])
                found = _run_back(
                    block,
                    c[:, :, group],
                    ahead[..., own],
                    states[image, k, :, own],
                    out[..., own] if z is not None else None,
                    space,
                )
                torch.mul(found.drive, block.step, out=ddrive[..., own])
                torch.addcmul(found.step, found.drive, block.u, out=dstep[..., own])
                dA[k, own] += found.A
                db[:, :, group] += found.B
                dc[:, :, group] += found.C
            dB[image, :, k], dC[image, :, k] = order.put(db), order.put(dc)
            if D is not None and dD is not None:
                ddrive.addcmul_(ahead, D[k])
                out.addcmul_(drives, D[k])
                dD[k] += (ahead * drives).sum((0, 1))
            if grid.softplus:
                dstep *= torch.sigmoid(raw if bias is None else raw + bias[k])
            if dbias is not None:
                dbias[k] += dstep.sum((0, 1))
            ddelta[image, :, k] = order.put(dstep)
            du[image] += order.put(ddrive)
            if ungated is not None:
                ungated[image] += order.put(out)
    return du, ddelta, dA, dB, dC, dD, gate_gradient(dy, ungated, z), dbias


def gate_gradient(dy: Tensor, ungated: Tensor | None, z: Tensor | None) -> Tensor | None:
    """Gradient of the gate z of dy silu(z) ungated."""
    if z is None or ungated is None:
        return None
    gate = torch.sigmoid(z)
    return dy * ungated * gate * (1 + z * (1 - gate))


@dataclass(frozen=True)
class _Order:
    """Pixels of a direction laid out in time by chunk, (CHUNK, chunks, ...), and back."""

    pixels: Tensor  # (CHUNK, chunks); past the end, the last pixel
    places: Tensor  # of every pixel in that layout, (L,)
    inside: Tensor | None  # (CHUNK, chunks, 1), False past the end; None where nothing is

    @classmethod
    def of(cls, grid: ScanGrid, direction: int, device: torch.device) -> _Order:
        pixels = grid.pixels(direction, device)
        steps = torch.arange(CHUNK, device=device)[:, None]
        steps = steps + CHUNK * torch.arange(grid.chunks, device=device)
        places = torch.empty_like(pixels)
        inside = steps < grid.length
        places[pixels] = torch.arange(inside.numel(), device=device).view_as(steps)[inside][
            steps[inside].argsort()
        ]
        ragged = grid.length % CHUNK != 0
        return cls(
            pixels=pixels[steps.clamp(max=grid.length - 1)],
            places=places,
            inside=inside[..., None] if ragged else None,
        )

    def take(self, x: Tensor) -> Tensor:
        """(L, ...) to (CHUNK, chunks, ...)."""
        return x.index_select(0, self.pixels.flatten()).unflatten(0, self.pixels.shape)

    def put(self, x: Tensor) -> Tensor:
        """(CHUNK, chunks, ...) to (L, ...)."""
        return x.flatten(0, 1).index_select(0, self.places)

    def within(self, x: Tensor) -> Tensor:
        """Zero past the end."""
        return x if self.inside is None else x.mul_(self.inside)


@dataclass(frozen=True)
class _Block:
    """Some channels of one sequence, in time by chunk: (CHUNK, chunks, channels) or (.., states).

    Steps after the sequence's end are 0, which leaves the state as it is.
    """

    step: Tensor
    u: Tensor
    drive: Tensor  # step * u
    A: Tensor  # channels, states
    B: Tensor
    across: Tensor  # decay over a whole chunk: chunks, channels, states

    @classmethod
    def of(cls, step: Tensor, u: Tensor, A: Tensor, B: Tensor) -> _Block:
        across = torch.exp(step.sum(0)[..., None] * A)
        return cls(step=step, u=u, drive=step * u, A=A, B=B, across=across)

    def decay(self, t: int, out: Tensor) -> Tensor:
        """exp(step A) at a step of every chunk."""
        return torch.mul(self.step[t, ..., None], self.A, out=out).exp_()


def _run(block: _Block, C: Tensor) -> tuple[Tensor, Tensor]:
    """y (CHUNK, chunks, channels) and the states after every chunk."""
    state, decay = torch.zeros_like(block.across), torch.empty_like(block.across)
    for t in range(CHUNK):
        state.mul_(block.decay(t, decay)).addcmul_(block.drive[t, ..., None], block.B[t, :, None])
    state = _entering(state, block.across)
    y = torch.empty_like(block.step)
    for t in range(CHUNK):
        state.mul_(block.decay(t, decay)).addcmul_(block.drive[t, ..., None], block.B[t, :, None])
        torch.bmm(state, C[t, ..., None], out=y[t, ..., None])
    return y, state


def _entering(local: Tensor, across: Tensor) -> Tensor:
    """What enters each chunk, from what each ends with when nothing enters."""
    entering = torch.zeros_like(local)
    for chunk in range(1, len(local)):
        torch.addcmul(local[chunk - 1], across[chunk - 1], entering[chunk - 1], out=entering[chunk])
    return entering


@dataclass(frozen=True)
class _Back:
    drive: Tensor
    step: Tensor  # by way of the decay only
    A: Tensor
    B: Tensor
    C: Tensor


def _run_back(
    block: _Block, C: Tensor, dy: Tensor, after: Tensor, y: Tensor | None, space: list[Tensor]
) -> _Back:
    """Gradients of a block, given the states after every chunk; fills ``y`` where given.

    ``space`` holds four numbers for every state: fresh memory for each block costs page faults.
    """
    shape = (CHUNK, *block.across.shape)
    decays, kept, adjoints, product = (x[: prod(shape)].view(shape) for x in space)
    state = torch.cat([torch.zeros_like(after[:1]), after[:-1]])
    for t in range(CHUNK):
        torch.mul(state, block.decay(t, decays[t]), out=kept[t])
        torch.addcmul(kept[t], block.drive[t, ..., None], block.B[t, :, None], out=state)
    adjoint = torch.zeros_like(state)
    for t in reversed(range(CHUNK)):
        adjoint.addcmul_(dy[t, ..., None], C[t, :, None]).mul_(decays[t])
    adjoint = _entering(adjoint.flip(0), block.across.flip(0)).flip(0)
    for t in reversed(range(CHUNK)):
        torch.addcmul(adjoint, dy[t, ..., None], C[t, :, None], out=adjoints[t])
        torch.mul(adjoints[t], decays[t], out=adjoint)
    through = torch.mul(adjoints, kept, out=decays)  # d loss / d (step A), entry by entry
    dA = torch.mul(through, block.step[..., None], out=product).sum((0, 1))
    dstep = through.mul_(block.A).sum(-1)
    dB = (block.drive.unsqueeze(2) @ adjoints).squeeze(2)
    ddrive = (adjoints @ block.B.unsqueeze(3)).squeeze(3)
    states = kept.addcmul_(block.drive[..., None], block.B.unsqueeze(2))
    dC = (dy.unsqueeze(2) @ states).squeeze(2)
    if y is not None:
        y.copy_((states @ C.unsqueeze(3)).squeeze(3))
    return _Back(drive=ddrive, step=dstep, A=dA, B=dB, C=dC)


def _sequences(
    batch: int, grid: ScanGrid, device: torch.device
) -> Iterator[tuple[int, int, _Order]]:
    """Image, place of the direction, and the direction's order of pixels."""
    orders = [_Order.of(grid, direction, device) for direction in grid.directions]
    for image in range(batch):
        for k, order in enumerate(orders):
            yield image, k, order


def _steps(delta: Tensor, bias: Tensor | None, k: int, softplus: bool) -> Tensor:
    step = delta if bias is None else delta + bias[k]
    return F.softplus(step) if softplus else step


def _blocks(
    grid: ScanGrid, channels: int, groups: int, states: int, like: Tensor, limit: int
) -> Iterator[tuple[slice, int]]:
    """Channels that go together, all of one group, and their group."""
    most = max(1, (_CUDA_STATES if like.is_cuda else limit) // (grid.chunks * states))
    width = channels // groups
    for group in range(groups):
        for start in range(group * width, (group + 1) * width, most):
            yield slice(start, min(start + most, (group + 1) * width)), group


@contextmanager
def _one_thread(like: Tensor) -> Iterator[None]:
    """One intra-op thread on the CPU: hundreds of small parallel regions wait for each other."""
    before = torch.get_num_threads()
    if like.is_cuda or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
