"""Optimisers on a GPU: one kernel a step, and states that move between devices."""

from __future__ import annotations

from typing import Any

from torch.optim import SGD, Adam, Optimizer

_IMPLEMENTATION = ("fused", "foreach")  # of a group: how a step is computed, not what


def fuse(optimizer: Optimizer) -> None:
    """Let Adam, AdamW and SGD step all parameters in one kernel; others stay as they are.

    Results differ by rounding.
    """
    if isinstance(optimizer, (Adam, SGD)):  # AdamW is an Adam
        for group in optimizer.param_groups:
            group.update(fused=True, foreach=False)


def load_state(optimizer: Any, state: dict[str, Any]) -> None:
    """Take over a saved state, whichever device it comes from.

    How steps are computed stays as it is here: what was fused on a GPU need not be on a CPU.

    Args:
        optimizer: of torch, or wrapped by Fabric.
        state: of ``state_dict``.
    """
    groups = [
        {**saved, **{name: own[name] for name in _IMPLEMENTATION if name in own}}
        for saved, own in zip(state["param_groups"], optimizer.param_groups, strict=True)
    ]
    optimizer.load_state_dict({**state, "param_groups": groups})
