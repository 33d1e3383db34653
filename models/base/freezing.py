"""Networks that pass gradients on and gather none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextlib.contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Within it the modules' weights are constants to what is computed and to gradients."""
    thawed = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in thawed:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in thawed:
            parameter.requires_grad_(True)


@contextlib.contextmanager
def averages_at_rest(module: nn.Module) -> Iterator[None]:
    """Within it BatchNorm in training uses a batch's own statistics, and remembers none."""
    tracking = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for norm in tracking:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in tracking:
            norm.track_running_stats = True
