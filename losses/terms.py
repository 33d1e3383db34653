"""How a method states its losses: named terms with their weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ..datasets.base.errors import UserError


class Term(NamedTuple):
    """One named part of a loss: a scalar tensor and the weight it enters the sum with."""

    value: Tensor
    weight: float = 1.0


Terms = dict[str, Term]


class DivergedError(UserError):
    """A loss term is no longer finite."""


def total(terms: Mapping[str, Term], step: int) -> Tensor:
    """The weighted sum, a scalar.

    Raises:
        DivergedError: when a term is NaN or infinite; the text names the step and the term.
    """
    values = torch.stack([term.value.detach().float() for term in terms.values()])
    if not torch.isfinite(values).all():
        bad = {k: v.item() for k, v in zip(terms, values, strict=True) if not torch.isfinite(v)}
        raise DivergedError(
            f"step {step}: loss term {', '.join(f'{k} is {v}' for k, v in bad.items())}; lower the "
            "learning rate, clip gradients (--training.clip-norm 1), or use 32-bit precision"
        )
    return torch.stack([term.weight * term.value for term in terms.values()]).sum()
