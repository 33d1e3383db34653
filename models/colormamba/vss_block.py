"""Selective state space layers for images: SS2D, the VSS block with its local parts, the group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..scan.selective_scan import DIRECTIONS, Backend, Direction, selective_scan_2d
from .agent_attention import AgentBlock, AgentGrid

Padding = Literal["none", "zero", "token"]


class SS2D(nn.Module):
    """A selective scan over an image along several directions, between two projections.

    Paper: Liu et al. 2024 (VMamba), section 4.2; Guo et al. 2024 (MambaIR), section 3.3.
    Differs: channel-last throughout. As projections work pixel by pixel, one matrix product makes
    the steps, B and C of all directions, where VMamba projects four reordered copies.

    Args:
        channels: C in and out.
        state: numbers of state a channel (d_state).
        directions: scan orders.
        expand: inner channels over C.
        backend: of the scan.
    """

    def __init__(
        self,
        channels: int,
        *,
        state: int = 16,
        directions: Sequence[Direction] = DIRECTIONS,
        expand: int = 2,
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        inner, orders = expand * channels, len(directions)
        self.rank, self.state = math.ceil(channels / 16), state
        self.directions = tuple(directions)
        self.backend: Backend = backend
        self.in_proj = nn.Linear(channels, 2 * inner, bias=False)
        self.conv = nn.Conv2d(inner, inner, 3, padding=1, groups=inner)
        self.x_proj = nn.Linear(inner, orders * (self.rank + 2 * state), bias=False)
        self.dt_weight = nn.Parameter(torch.empty(orders, inner, self.rank))
        self.dt_bias = nn.Parameter(_inverse_softplus(_log_uniform(orders, inner)))
        levels = torch.arange(1, state + 1, dtype=torch.float32).log()
        self.A_log = nn.Parameter(levels.expand(orders, inner, state).clone())
        self.D = nn.Parameter(torch.ones(orders, inner))
        self.norm = nn.LayerNorm(inner)
        self.out_proj = nn.Linear(inner, channels, bias=False)
        nn.init.uniform_(self.dt_weight, -(self.rank**-0.5), self.rank**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(b, H, W, C) to the same shape."""
        u, z = self.in_proj(x).chunk(2, dim=-1)
        u = F.silu(self.conv(u.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        steps, B, C = (
            self.x_proj(u)
            .unflatten(-1, (len(self.directions), -1))
            .split([self.rank, self.state, self.state], dim=-1)
        )
        delta = torch.einsum("bhwkr,kdr->bhwkd", steps, self.dt_weight)
        y = selective_scan_2d(
            u,
            delta,
            -torch.exp(self.A_log.float()),
            B,
            C,
            D=self.D,
            delta_bias=self.dt_bias,
            directions=self.directions,
            backend=self.backend,
        )
        return self.out_proj(self.norm(y) * F.silu(z))


class VSSBlock(nn.Module):
    """SS2D with a ring of padding around the image, then a local convolution and agent attention.

    x1 = skip x0 + SS2D(LN x0); out = skip2 x1 + Agent(Local(LN x1)).

    Paper: Zhai et al. 2024 (ColorMamba), as its released code has it: the padding stands between
    the rows (columns) of the scanned sequence, where neighbours in the sequence are none in the
    image. Differs: ``token`` learns what is put there (the code pads with zeros).

    Args:
        channels: C.
        state: d_state of the scan.
        directions: its orders.
        padding: ring of one pixel around the normalised map: ``zero``, a learned ``token``, none.
        local: whether the pair of 3x3 convolutions is there.
        agent: grid of the agent attention's biases; None leaves the attention out.
        heads: of that attention.
        backend: of the scan.
    """

    def __init__(
        self,
        channels: int,
        *,
        state: int,
        directions: Sequence[Direction],
        padding: Padding,
        local: bool,
        agent: AgentGrid | None,
        heads: int = 8,
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.ss2d = SS2D(channels, state=state, directions=directions, backend=backend)
        self.padding: Padding = padding
        self.token = nn.Parameter(0.02 * torch.randn(channels)) if padding == "token" else None
        self.skip = nn.Parameter(torch.ones(channels))
        self.skip2 = nn.Parameter(torch.ones(channels))
        self.norm2 = nn.LayerNorm(channels)
        self.local = _local(channels) if local else None
        self.agent = None if agent is None else AgentBlock(channels, agent, heads)

    def forward(self, x: Tensor) -> Tensor:
        """(b, H, W, C) to the same shape."""
        x = x * self.skip + self._scan(self.norm(x))
        branch = self.norm2(x)
        if self.local is not None:
            branch = self.local(branch.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        if self.agent is not None:
            branch = self.agent(branch)
        return x * self.skip2 + branch

    def _scan(self, x: Tensor) -> Tensor:
        if self.padding == "none":
            return self.ss2d(x)
        ring = F.pad(x, (0, 0, 1, 1, 1, 1))
        if self.token is not None:
            inside = F.pad(x.new_ones(x.shape[1:3]), (1, 1, 1, 1)).unsqueeze(-1)
            ring = ring + (1 - inside) * self.token
        return self.ss2d(ring)[:, 1:-1, 1:-1]


class MambaGroup(nn.Module):
    """One VSS block around which its input is added, a LayerNorm and a 3x3 convolution.

    Paper: the released code of ColorMamba (MambaIR's residual group with one block).
    """

    def __init__(self, channels: int, block: VSSBlock, bias: bool = True) -> None:
        super().__init__()
        self.block = block
        self.norm = nn.LayerNorm(channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)

    def forward(self, feature: Tensor) -> Tensor:
        """BCHW to BCHW."""
        x = feature.permute(0, 2, 3, 1)
        return self.conv(self.norm(x + self.block(x)).permute(0, 3, 1, 2))


def _local(channels: int) -> nn.Sequential:
    narrow = channels // 3
    return nn.Sequential(
        nn.Conv2d(channels, narrow, 3, padding=1),
        nn.GELU(),
        nn.Conv2d(narrow, channels, 3, padding=1),
    )


def _log_uniform(orders: int, channels: int, low: float = 1e-3, high: float = 1e-1) -> Tensor:
    """Steps between ``low`` and ``high``, uniform in their logarithm."""
    span = math.log(high) - math.log(low)
    return torch.exp(torch.rand(orders, channels) * span + math.log(low)).clamp_min(1e-4)


def _inverse_softplus(step: Tensor) -> Tensor:
    return step + torch.log(-torch.expm1(-step))
