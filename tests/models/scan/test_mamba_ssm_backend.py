"""The mamba-ssm backend around a stand-in for the kernel that checks what the kernel demands."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from crosschroma.models.scan import mamba_ssm_backend, reference
from crosschroma.models.scan.reference import ScanGrid, ScanInputs
from torch import Tensor


def kernel(u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state):
    """mamba-ssm's documented semantics with its demands on layout and type."""
    batch, d, length = u.shape
    assert delta.shape == u.shape
    assert A.dtype == torch.float32 or u.dtype == torch.float64
    groups = B.shape[1]
    assert B.shape == C.shape == (batch, groups, A.shape[1], length)
    assert all(x.stride(-1) == 1 for x in (u, delta, B, C))
    assert all(x is None or x.shape == (d,) for x in (D, delta_bias))
    step = delta if delta_bias is None else delta + delta_bias[:, None]
    step = F.softplus(step) if delta_softplus else step
    B, C = (x.repeat_interleave(d // groups, dim=1) for x in (B, C))
    state, outputs = u.new_zeros(batch, d, A.shape[1]), []
    for t in range(length):
        dt = step[..., t, None]
        state = torch.exp(dt * A) * state + dt * B[..., t] * u[..., t, None]
        outputs.append((state * C[..., t]).sum(-1))
    y = torch.stack(outputs, dim=-1)
    y = y if D is None else y + D[:, None] * u
    y = y if z is None else y * F.silu(z)
    return (y, state.detach()) if return_last_state else y


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("mamba_ssm.ops.selective_scan_interface")
    module.selective_scan_fn = kernel  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "mamba_ssm", ModuleType("mamba_ssm"))
    monkeypatch.setitem(sys.modules, "mamba_ssm.ops", ModuleType("mamba_ssm.ops"))
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.parametrize("directions", [(0,), (3,), (1, 2), (0, 1, 2, 3)])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("optional", [True, False])
def test_values_and_gradients(directions: tuple[int, ...], groups: int, optional: bool) -> None:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    grid, k, d, n = ScanGrid(3, 5, directions, softplus=optional), len(directions), 4, 2
    inputs: list[Tensor | None] = [
        normal(2, 15, d),
        normal(2, 15, k, d),
        -normal(k, d, n).abs(),
        normal(2, 15, k, groups, n),
        normal(2, 15, k, groups, n),
        *([normal(k, d), normal(2, 15, d), normal(k, d)] if optional else [None] * 3),
    ]
    given = [x for x in inputs if x is not None]
    results = []
    for backend in (mamba_ssm_backend, reference):
        for x in given:
            x.requires_grad_().grad = None
        y, last = backend.scan(ScanInputs(*inputs), grid)  # pyright: ignore[reportArgumentType]
        y.backward(torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y))
        results.append([y, last, *(x.grad for x in given)])
    for found, wanted in zip(*results, strict=True):
        torch.testing.assert_close(found, wanted)


def test_says_why_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "runs on CUDA" in mamba_ssm_backend.why_not(torch.device("cpu"))
    assert mamba_ssm_backend.why_not(torch.device("cuda")) == ""
    monkeypatch.setitem(sys.modules, "mamba_ssm.ops.selective_scan_interface", None)
    reason = mamba_ssm_backend.why_not(torch.device("cuda"))
    assert "pip install --no-build-isolation mamba-ssm" in reason
