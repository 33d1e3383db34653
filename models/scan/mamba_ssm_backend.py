"""The selective scan by mamba-ssm's CUDA kernel, with cross-scan copies before and a merge after.

The package is the user's (``pip install --no-build-isolation mamba-ssm``, the extra
``crosschroma[mamba]``). Its kernel walks one order of one layout, (b, d, l); every direction is
therefore a copy of the image in that order, and the directions are its groups.
"""

from __future__ import annotations

import importlib

import torch
from torch import Tensor

from .reference import ScanGrid, ScanInputs

_INTERFACE = "mamba_ssm.ops.selective_scan_interface"


def why_not(device: torch.device) -> str:
    """Why it cannot run on ``device``, "" where it can."""
    if device.type != "cuda":
        return f"mamba-ssm's kernel runs on CUDA, and u is on {device}"
    try:
        importlib.import_module(_INTERFACE)
    except ImportError as error:
        return (
            f"mamba-ssm cannot be imported ({error}); "
            "pip install --no-build-isolation mamba-ssm (see crosschroma[mamba])"
        )
    return ""


def scan(inputs: ScanInputs, grid: ScanGrid) -> tuple[Tensor, Tensor]:
    """The problem of ``reference``, differentiated by mamba-ssm; the last state is not.

    Paper: Liu et al. 2024 (VMamba), section 4.2: cross-scan, selective scan, cross-merge.
    """
    kernel = importlib.import_module(_INTERFACE).selective_scan_fn
    u, delta, A, B, C, D, z, bias = inputs
    batch, length, d = u.shape
    orders = torch.stack([grid.pixels(direction, u.device) for direction in grid.directions])
    single = len(orders) == 1
    y, last = kernel(
        _crossed(u.unsqueeze(2).expand(-1, -1, len(orders), -1), orders).flatten(1, 2),
        _crossed(delta, orders).flatten(1, 2),
        A.flatten(0, 1).contiguous(),
        _crossed(B.flatten(3), orders).unflatten(2, B.shape[3:]).flatten(1, 2),
        _crossed(C.flatten(3), orders).unflatten(2, C.shape[3:]).flatten(1, 2),
        None if D is None else D.flatten(),
        None if z is None or not single else _crossed(z.unsqueeze(2), orders).flatten(1, 2),
        None if bias is None else bias.flatten(),
        grid.softplus,
        True,
    )
    merged = u.new_zeros(batch, d, length)
    for pixels, plane in zip(orders, y.unflatten(1, (-1, d)).unbind(1), strict=True):
        merged = merged.index_add(2, pixels, plane)
    merged = merged.transpose(1, 2)
    if z is not None and not single:
        merged = merged * torch.nn.functional.silu(z)
    return merged, last.unflatten(1, (len(orders), d))


def _crossed(x: Tensor, orders: Tensor) -> Tensor:
    """(b, L, K, c), pixel by pixel, to (b, K, c, L), each direction in its own order."""
    copies = [x[:, pixels, k] for k, pixels in enumerate(orders)]
    return torch.stack(copies, dim=1).transpose(2, 3).contiguous()
