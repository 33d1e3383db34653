"""Agent attention: softmax attention through a few pooled queries."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

AgentGrid = tuple[int, int]  # rows and columns that the row and column biases are learned for
_SIDE = 7  # agents are a 7 x 7 average of the queries, and spatial biases a 7 x 7 map


class AgentAttention(nn.Module):
    """Agents gather from all pixels, then every pixel reads the agents: cost linear in pixels.

    Paper: Han et al. 2024 (Agent Attention), sections 4.1 and 4.2: the agent biases are the sum of
    an upsampled 7 x 7 map and of a row and a column term, and a depthwise convolution of the
    values is added.
    Differs: rows and columns of biases are resized to the map at hand, so that any size works.

    Args:
        channels: C, a multiple of ``heads``.
        grid: rows and columns of biases. ColorMamba's released code builds the layer for a 1 x 1
            window: with ``(1, 1)`` the agents' biases are constant over the pixels, so that
            softmax removes them, and the pixels' biases do not depend on the position.
        heads: attention heads.
    """

    def __init__(self, channels: int, grid: AgentGrid, heads: int) -> None:
        super().__init__()
        self.heads, self.grid = heads, grid
        self.q = nn.Linear(channels, channels, bias=False)
        self.kv = nn.Linear(channels, 2 * channels, bias=False)
        self.proj = nn.Linear(channels, channels)
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        agents = _SIDE**2
        self.agent_map = _bias(heads, agents, _SIDE, _SIDE)
        self.agent_rows = _bias(heads, agents, grid[0], 1)
        self.agent_columns = _bias(heads, agents, 1, grid[1])
        self.pixel_map = _bias(heads, agents, _SIDE, _SIDE)
        self.pixel_rows = _bias(heads, agents, grid[0], 1)
        self.pixel_columns = _bias(heads, agents, 1, grid[1])

    def forward(self, x: Tensor) -> Tensor:
        """(b, H, W, C) to the same shape."""
        height, width = x.shape[1:3]
        q, (k, v) = self.q(x), self.kv(x).chunk(2, dim=-1)
        agents = F.adaptive_avg_pool2d(q.permute(0, 3, 1, 2), _SIDE).permute(0, 2, 3, 1)
        to_agents = self._biases(self.agent_map, self.agent_rows, self.agent_columns, height, width)
        to_pixels = self._biases(self.pixel_map, self.pixel_rows, self.pixel_columns, height, width)
        q, k, values, agents = (self._split(t) for t in (q, k, v, agents))
        gathered = _attend(agents, k, values, to_agents)
        read = _attend(q, agents, gathered, to_pixels.transpose(-1, -2))
        read = read.transpose(1, 2).reshape(x.shape)
        local = self.depthwise(v.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.proj(read + local)

    def _split(self, x: Tensor) -> Tensor:
        """(b, H, W, C) to (b, heads, pixels, C / heads)."""
        return x.flatten(1, 2).unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _biases(
        self, coarse: Tensor, rows: Tensor, columns: Tensor, height: int, width: int
    ) -> Tensor:
        """(heads, agents, pixels), or (heads, agents, 1) where the grid is a single pixel."""
        if self.grid == (1, 1):
            height = width = 1
        total = _resized(coarse, height, width) + _resized(rows, height, 1)
        return (total + _resized(columns, 1, width)).flatten(2)


class AgentBlock(nn.Module):
    """Pre-norm transformer block on agent attention, with an MLP of four times the width."""

    def __init__(self, channels: int, grid: AgentGrid, heads: int = 8) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.attention = AgentAttention(channels, grid, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(b, H, W, C) to the same shape."""
        x = x + self.attention(self.norm(x))
        return x + self.mlp(self.norm2(x))


def _bias(*shape: int) -> nn.Parameter:
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=0.02))


def _resized(bias: Tensor, height: int, width: int) -> Tensor:
    if bias.shape[-2:] == (height, width):
        return bias
    return F.interpolate(bias, size=(height, width), mode="bilinear", align_corners=False)


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Softmax attention; a bias of one pixel stands for all.

    Written out, because torch's fused kernels give the bias no gradient and its fallback first
    looks for rows that are masked throughout.
    """
    scale = q.shape[-1] ** -0.5
    logits = (q * scale) @ k.transpose(-1, -2) + bias.to(q.dtype)
    return logits.softmax(-1).to(v.dtype) @ v
