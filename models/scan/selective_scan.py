"""The selective state space scan of Mamba over images, on whatever there is to run it.

Two functions: ``selective_scan_2d`` (channel-last images, up to four directions) and
``selective_scan`` (one sequence, in mamba-ssm's layout). Both are one problem to the backends:

- ``numba``: CPU, compiled on first use;
- ``torch``: any device, no compiler;
- ``triton``: CUDA;
- ``mamba_ssm``: CUDA, the package of Mamba's authors (the extra ``crosschroma[mamba]``);
- ``reference``: a loop over time, differentiable twice, slow.

``auto`` takes triton on CUDA, numba on the CPU, and torch where these cannot run.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import lru_cache
from types import ModuleType
from typing import Literal

import torch
from torch import Tensor

from ...datasets.base.errors import DataError, UserError, unknown
from . import mamba_ssm_backend, reference
from .reference import ScanGrid, ScanInputs

Direction = Literal["rows", "columns", "rows_reversed", "columns_reversed"]
DIRECTIONS: tuple[Direction, ...] = ("rows", "columns", "rows_reversed", "columns_reversed")
Backend = Literal["auto", "numba", "torch", "triton", "mamba_ssm", "reference"]

_KERNELS = ("numba", "torch", "triton")  # with a backward of their own


def selective_scan_2d(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    *,
    directions: Sequence[Direction] = DIRECTIONS,
    delta_softplus: bool = True,
    backend: Backend = "auto",
) -> Tensor:
    """Scan an image along up to four directions and sum what they give.

    Along direction k, with dt = softplus(delta + delta_bias):
    h = exp(dt A) h_before + dt B u and y_k = C h + D u; the result is silu(z) sum_k y_k.
    Every tensor is stored at its pixel, so no direction needs a flipped or transposed copy.

    Paper: Gu and Dao 2023 (Mamba), section 3; Liu et al. 2024 (VMamba), section 4.2 (SS2D).

    Args:
        u: (b, H, W, d) of any floating type; the result has its type. Steps and states are
            computed in float32, in float64 for float64.
        delta: (b, H, W, K, d).
        A: (K, d, n), nowhere positive.
        B: (b, H, W, K, n), or (b, H, W, K, g, n) where each of g equal groups of channels has
            its own.
        C: like ``B``.
        D: (K, d), the skip.
        z: (b, H, W, d), the gate.
        delta_bias: (K, d).
        directions: K of ``DIRECTIONS``.
        delta_softplus: whether delta passes through softplus; else it is the step itself.
        backend: see the module.

    Returns:
        (b, H, W, d).

    Raises:
        DataError: shapes that do not fit; A > 0.
        UserError: an unknown or unavailable backend, or a direction that does not exist or is
            given twice.
    """
    grid = _grid(u, directions, delta_softplus)
    images = ScanInputs(
        u.flatten(1, 2),
        _pixels(delta, "delta", u),
        A,
        _pixels(_grouped(B, "B"), "B", u),
        _pixels(_grouped(C, "C"), "C", u),
        D,
        None if z is None else _pixels(z, "z", u),
        delta_bias,
    )
    return _run(images, grid, backend)[0].reshape(u.shape)


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    *,
    backend: Backend = "auto",
) -> Tensor | tuple[Tensor, Tensor]:
    """Scan one sequence: the arguments and meaning of mamba-ssm's ``selective_scan_fn``.

    Differs: A is real. The last state carries no gradient (but for ``reference``).

    Args:
        u: (b, d, l).
        delta: (b, d, l).
        A: (d, n), nowhere positive.
        B: (d, n) constant in time, (b, n, l), or (b, g, n, l) for g groups of channels.
        C: like ``B``, of either kind.
        D: (d,).
        z: (b, d, l).
        delta_bias: (d,).
        delta_softplus: whether delta passes through softplus.
        return_last_state: also return the state after the last step.
        backend: see the module.

    Returns:
        y (b, d, l), or (y, last state (b, d, n)).

    Raises:
        DataError: shapes that do not fit; A > 0.
        UserError: an unknown or unavailable backend.
    """
    if u.ndim != 3:
        raise DataError(f"selective scan: u is {tuple(u.shape)}, not (b, d, l)")
    sequences = ScanInputs(
        u.transpose(1, 2),
        delta.transpose(1, 2).unsqueeze(2),
        A.unsqueeze(0),
        _in_time(B, "B", u),
        _in_time(C, "C", u),
        None if D is None else D.unsqueeze(0),
        None if z is None else z.transpose(1, 2),
        None if delta_bias is None else delta_bias.unsqueeze(0),
    )
    y, last = _run(sequences, ScanGrid(1, u.shape[2], (0,), delta_softplus), backend)
    y = y.transpose(1, 2)
    return (y, last[:, 0]) if return_last_state else y


def available(device: torch.device | str = "cpu") -> dict[str, str]:
    """Every backend's name, and why it cannot run on ``device`` ("" where it can)."""
    return {name: _why_not(name, torch.device(device)) for name in (*_KERNELS, *_COMPOSED)}


_COMPOSED = {"mamba_ssm": mamba_ssm_backend, "reference": reference}  # differentiated by autograd


def _pixels(x: Tensor, name: str, u: Tensor) -> Tensor:
    """Height and width as one axis."""
    _fits(name, x.shape[:3], u.shape[:3], "b, H, W")
    return x.flatten(1, 2)


def _grouped(x: Tensor, name: str) -> Tensor:
    if x.ndim not in (5, 6):
        raise DataError(f"selective scan: {name} is {tuple(x.shape)}, not (b, H, W, K, [g,] n)")
    return x.unsqueeze(4) if x.ndim == 5 else x


def _in_time(x: Tensor, name: str, u: Tensor) -> Tensor:
    """mamba-ssm's B or C as (b, l, 1, g, n)."""
    if x.ndim == 2:  # constant in time: every channel is a group
        return x.expand(u.shape[0], u.shape[2], 1, *x.shape)
    if x.ndim not in (3, 4):
        raise DataError(
            f"selective scan: {name} is {tuple(x.shape)}, not (d, n), (b, n, l) or (b, g, n, l)"
        )
    x = x.unsqueeze(1) if x.ndim == 3 else x
    return x.permute(0, 3, 1, 2).unsqueeze(2)


def _grid(u: Tensor, directions: Sequence[Direction], softplus: bool) -> ScanGrid:
    if u.ndim != 4:
        raise DataError(f"selective scan: u is {tuple(u.shape)}, not (b, H, W, d)")
    for name in directions:
        if name not in DIRECTIONS:
            raise UserError(unknown("direction", name, DIRECTIONS))
    if not directions or len(set(directions)) != len(directions):
        raise UserError(f"selective scan: directions {directions}; give one to four, each once")
    return ScanGrid(u.shape[1], u.shape[2], tuple(map(DIRECTIONS.index, directions)), softplus)


def _run(inputs: ScanInputs, grid: ScanGrid, backend: str) -> tuple[Tensor, Tensor]:
    """Check and cast the canonical inputs, and run a backend: y (b, L, d), last (b, K, d, n)."""
    _check(inputs, grid)
    u, A = inputs.u, inputs.A
    name = _choose(backend, u)
    dtype = torch.float64 if u.dtype == torch.float64 else torch.float32
    tensors = ScanInputs._make(None if x is None else x.to(dtype) for x in _same_groups(inputs))
    if grid.length == 0 or u.shape[0] == 0:
        # zero, and still a function of every input, as autograd and compile expect
        nothing = sum(x.sum() for x in tensors if x is not None) * 0
        return (tensors.u + nothing).to(u.dtype), A.new_zeros(u.shape[0], *A.shape)
    if name in _COMPOSED:
        _refuse_growth(A)
        y, last = _COMPOSED[name].scan(tensors, grid)
    else:
        size = [grid.height, grid.width]
        y, states = _scan(*tensors, size, list(grid.directions), grid.softplus, name)
        last = states[:, :, -1]
    return y.to(u.dtype), last


def _check(inputs: ScanInputs, grid: ScanGrid) -> None:
    u, delta, A, B, C, D, z, bias = inputs
    batch, length, d = u.shape
    k, n = len(grid.directions), A.shape[-1]
    _fits("A", A.shape, (k, d, n), "K, d, n")
    _fits("delta", delta.shape, (batch, length, k, d), "b, pixels, K, d")
    _fits("B", B.shape, (batch, length, k, B.shape[3], n), "b, pixels, K, g, n")
    _fits("C", C.shape, (batch, length, k, C.shape[3], n), "b, pixels, K, g, n")
    if z is not None:
        _fits("z", z.shape, u.shape, "b, pixels, d")
    for name, x in (("D", D), ("delta_bias", bias)):
        if x is not None:
            _fits(name, x.shape, (k, d), "K, d")
    for name, x in (("B", B), ("C", C)):
        if n == 0 or x.shape[3] == 0 or d % x.shape[3]:
            raise DataError(f"selective scan: {name} has {x.shape[3]} groups for {d} channels")
    for name, x in zip(inputs._fields, inputs, strict=True):
        if x is not None and (not x.is_floating_point() or x.device != u.device):
            raise DataError(
                f"selective scan: {name} is {x.dtype} on {x.device}; it must be real floating "
                f"point on the device of u, {u.device}"
            )


def _same_groups(inputs: ScanInputs) -> ScanInputs:
    """B and C with as many groups as each other: a group a channel where they differ."""
    B, C, d = inputs.B, inputs.C, inputs.u.shape[2]
    if B.shape[3] == C.shape[3]:
        return inputs
    B, C = (x.repeat_interleave(d // x.shape[3], dim=3) for x in (B, C))
    return inputs._replace(B=B, C=C)


def _fits(name: str, shape: Sequence[int], expected: Sequence[int], letters: str) -> None:
    if tuple(shape) != tuple(expected):
        raise DataError(
            f"selective scan: {name} is {tuple(shape)} where ({letters}) is {tuple(expected)}"
        )


def _refuse_growth(A: Tensor) -> None:
    """A > 0 lets the state explode, and the kernels' exp is right for exponents up to 0 only."""
    if A.is_cuda:  # without waiting for the device
        torch.ops.aten._assert_async.msg((~(A > 0)).all(), "selective scan: A must not be positive")
    elif bool((A > 0).any()):
        raise DataError(
            f"selective scan: A reaches {A.max().item():g}; it must not be positive "
            "(Mamba's A is -exp(A_log))"
        )


def _choose(backend: str, u: Tensor) -> str:
    if backend != "auto":
        if backend not in (*_KERNELS, *_COMPOSED):
            raise UserError(unknown("scan backend", backend, ("auto", *_KERNELS, *_COMPOSED)))
        if reason := _why_not(backend, u.device, u.dtype):
            fitting = [n for n in (*_KERNELS, *_COMPOSED) if not _why_not(n, u.device, u.dtype)]
            raise UserError(f"scan backend {backend}: {reason}; use {', '.join(fitting)} or auto")
        return backend
    preferred = "triton" if u.is_cuda else "numba"
    return "torch" if _why_not(preferred, u.device, u.dtype) else preferred


def _why_not(name: str, device: torch.device, dtype: torch.dtype = torch.float32) -> str:
    if name in ("numba", "triton") and dtype == torch.float64:
        return "computes in float32, and u is float64"
    if name == "numba":
        return "" if device.type == "cpu" else f"runs on the CPU, and u is on {device}"
    return _not_installed(name, str(device)) if name in ("triton", "mamba_ssm") else ""


@torch.compiler.assume_constant_result
def _not_installed(name: str, device: str) -> str:
    return _looked_up(name, device)


@lru_cache
def _looked_up(name: str, device: str) -> str:
    module = mamba_ssm_backend if name == "mamba_ssm" else _kernels(name)
    return module.why_not(torch.device(device))


def _kernels(name: str) -> ModuleType:
    return importlib.import_module(f".{name}_backend", __package__)


@torch.library.custom_op("crosschroma::scan", mutates_args=())
def _scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    size: Sequence[int],
    directions: Sequence[int],
    softplus: bool,
    backend: str,
) -> tuple[Tensor, Tensor]:
    _refuse_growth(A)
    grid = ScanGrid(size[0], size[1], tuple(directions), softplus)
    return _kernels(backend).forward(ScanInputs(u, delta, A, B, C, D, z, bias), grid)


@_scan.register_fake
def _(u, delta, A, B, C, D, z, bias, size, directions, softplus, backend):
    chunks = ScanGrid(size[0], size[1], tuple(directions), softplus).chunks
    k, d, n = A.shape
    if backend == "triton":  # whose states lie channels last
        return u.new_empty(u.shape), u.new_empty(u.shape[0], k, chunks, n, d).mT
    return u.new_empty(u.shape), u.new_empty(u.shape[0], k, chunks, d, n)


@torch.library.custom_op("crosschroma::scan_backward", mutates_args=())
def _scan_backward(
    dy: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    states: Tensor,
    size: Sequence[int],
    directions: Sequence[int],
    softplus: bool,
    backend: str,
) -> list[Tensor]:
    inputs = ScanInputs(u, delta, A, B, C, D, z, bias)
    grid = ScanGrid(size[0], size[1], tuple(directions), softplus)
    gradients = _kernels(backend).backward(dy, inputs, states, grid)
    return [_laid_out_as(x, dx) for x, dx in zip(inputs, gradients, strict=True) if x is not None]


def _laid_out_as(x: Tensor, gradient: Tensor) -> Tensor:
    """The gradient with the strides that the fake implementation promises."""
    layout = torch.empty_like(x)
    return gradient if gradient.stride() == layout.stride() else layout.copy_(gradient)


@_scan_backward.register_fake
def _(dy, u, delta, A, B, C, D, z, bias, *rest):
    return [torch.empty_like(x) for x in (u, delta, A, B, C, D, z, bias) if x is not None]


def _save(ctx, inputs, output) -> None:
    *tensors, size, directions, softplus, backend = inputs
    ctx.save_for_backward(*tensors, output[1])
    ctx.rest = (size, directions, softplus, backend)
    ctx.mark_non_differentiable(output[1])


def _differentiate(ctx, dy: Tensor, _: Tensor):
    saved = ctx.saved_tensors
    gradients = iter(_scan_backward(dy, *saved, *ctx.rest))
    return *(None if x is None else next(gradients) for x in saved[:-1]), None, None, None, None


_scan.register_autograd(_differentiate, setup_context=_save)
