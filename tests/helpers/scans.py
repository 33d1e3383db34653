"""Problems of the selective scan, and how results of them are compared."""

from __future__ import annotations

from typing import Any

import torch
from crosschroma.models.scan.selective_scan import DIRECTIONS, selective_scan_2d
from torch import Tensor

CPU = torch.device("cpu")
# of the largest value; a GPU's exponential is right to 2 units in the last place of 2^x, its
# logarithm to 1e-7, and errors of 100 steps add up
TOLERANCE = {"cpu": 2e-6, "cuda": 1e-5}
Case = tuple[int, int, int, int, int, int, tuple[str, ...]]

# images, height, width, channels, states, groups, directions: ragged against chunks of 64 steps
CASES: dict[str, Case] = {
    "one pixel": (2, 1, 1, 4, 4, 1, DIRECTIONS),
    "a row": (2, 1, 63, 5, 3, 1, ("rows",)),
    "four directions": (2, 4, 5, 6, 2, 1, DIRECTIONS),
    "one chunk": (1, 8, 8, 16, 16, 1, ("rows", "columns")),
    "a chunk and one": (1, 5, 13, 40, 8, 1, ("columns", "rows_reversed")),
    "two chunks": (1, 10, 13, 32, 1, 1, ("columns_reversed", "rows")),
    "groups": (1, 3, 25, 24, 16, 3, ("rows_reversed",)),
}


def make_inputs(
    case: Case, *, steps: float = 1.0, without: tuple[str, ...] = (), seed: int = 0
) -> dict[str, Any]:
    """Random float64 inputs of ``selective_scan_2d``; ``steps`` scales delta."""
    batch, height, width, d, n, groups, directions = case
    k = len(directions)
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    pixels = (batch, height, width)
    own = (groups, n) if groups > 1 else (n,)
    inputs = {
        "u": normal(*pixels, d),
        "delta": steps * normal(*pixels, k, d),
        "A": -torch.rand(k, d, n, generator=generator, dtype=torch.float64)
        * torch.arange(1, n + 1, dtype=torch.float64),
        "B": normal(*pixels, k, *own),
        "C": normal(*pixels, k, *own),
        "D": normal(k, d),
        "z": normal(*pixels, d),
        "delta_bias": normal(k, d),
    }
    return {name: x for name, x in inputs.items() if name not in without}


def run(
    inputs: dict[str, Any], dtype: torch.dtype, device: torch.device = CPU, **options: Any
) -> dict[str, Tensor]:
    """The result and the gradient of every input, under a fixed upstream gradient."""
    leaves = {name: x.detach().to(device, dtype).requires_grad_() for name, x in inputs.items()}
    y = selective_scan_2d(**leaves, **options)
    upstream = torch.linspace(-1, 1, y.numel()).reshape(y.shape).roll(y.shape[-1] // 2, -1)
    y.backward(upstream.to(y))
    gradients = {f"d{name}": x.grad for name, x in leaves.items()}
    return {"y": y.detach(), **{name: g for name, g in gradients.items() if g is not None}}


def assert_close(found: dict[str, Tensor], wanted: dict[str, Tensor], tolerance: float) -> None:
    """Relative to the largest value of each tensor."""
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        scale = value.cpu().abs().max().clamp_min(1e-12)
        error = ((found[name].cpu().double() - value.cpu().double()).abs().max() / scale).item()
        assert error <= tolerance, f"{name}: {error:.1e}"
