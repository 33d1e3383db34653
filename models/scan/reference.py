"""The selective scan as a loop over time: what every backend must agree with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 64  # steps between two saved states


@dataclass(frozen=True)
class ScanGrid:
    """The pixels that a scan runs over, and in which orders.

    Attributes:
        height: rows of pixels.
        width: columns of pixels.
        directions: an order of the pixels each: 0 along rows, 1 along columns, 2 and 3 the same
            two backwards.
        softplus: whether the step is softplus(delta + bias) or delta + bias itself.
    """

    height: int
    width: int
    directions: tuple[int, ...]
    softplus: bool

    @property
    def length(self) -> int:
        """Pixels."""
        return self.height * self.width

    @property
    def chunks(self) -> int:
        """Saved states of a direction: one after every ``CHUNK`` steps, and the last."""
        return -(-self.length // CHUNK)

    def pixels(self, direction: int, device: torch.device | None = None) -> Tensor:
        """Row-major pixel index at every step of a direction, (length,)."""
        steps = torch.arange(self.length, device=device)
        if direction >= 2:
            steps = self.length - 1 - steps
        if direction % 2:
            steps = steps % self.height * self.width + steps // self.height
        return steps


class ScanInputs(NamedTuple):
    """The tensors of a scan.

    Attributes:
        u: (b, L, d), pixels row-major.
        delta: (b, L, K, d), stored at its pixel.
        A: (K, d, n).
        B: (b, L, K, g, n); channels [j d/g, (j+1) d/g) share group j.
        C: like ``B``.
        D: (K, d) or None.
        z: (b, L, d) or None.
        bias: (K, d) or None.
    """

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    z: Tensor | None
    bias: Tensor | None


def scan(inputs: ScanInputs, grid: ScanGrid) -> tuple[Tensor, Tensor]:
    """The canonical problem, differentiable by autograd; any floating type.

    Paper: Gu and Dao 2023 (Mamba), equations 2 and 4 with the simplified discretisation of B;
    the directions as in Liu et al. 2024 (VMamba), section 4.2.

    Args:
        inputs: the tensors.
        grid: pixels, orders of the K directions.

    Returns:
        y (b, L, d), the gated sum over the directions; the last state (b, K, d, n).
    """
    u, delta, A, B, C, D, z, bias = inputs
    step = delta if bias is None else delta + bias
    if grid.softplus:
        step = F.softplus(step)
    total, last = torch.zeros_like(u), []
    for k, direction in enumerate(grid.directions):
        pixels = grid.pixels(direction, u.device)
        y, state = _one_direction(
            u[:, pixels], step[:, pixels, k], A[k], B[:, pixels, k], C[:, pixels, k]
        )
        if D is not None:
            y = y + D[k] * u[:, pixels]
        total = total.index_add(1, pixels, y)
        last.append(state)
    return (total if z is None else total * F.silu(z)), torch.stack(last, dim=1)


def _one_direction(
    u: Tensor, step: Tensor, A: Tensor, B: Tensor, C: Tensor
) -> tuple[Tensor, Tensor]:
    """Sequences in order of time: u, step (b, L, d); B, C (b, L, g, n) -> y (b, L, d), state."""
    channels = u.shape[-1] // B.shape[-2]
    state = u.new_zeros(*u.shape[::2], A.shape[-1])
    outputs = []
    # unbind: autograd of x[:, t] in a loop would cost O(L^2)
    for u_t, step_t, b_t, c_t in zip(*(x.unbind(1) for x in (u, step, B, C)), strict=True):
        b_t, c_t = (x.repeat_interleave(channels, dim=1) for x in (b_t, c_t))
        state = torch.exp(step_t[..., None] * A) * state + (step_t * u_t)[..., None] * b_t
        outputs.append((state * c_t).sum(-1))
    return torch.stack(outputs, dim=1), state
