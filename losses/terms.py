"""How a method states its losses: named terms with their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """The weighted sum, a scalar, of terms that are checked at once; see ``check_finite``."""
    check_finite(tuple(terms), raw_values(terms), step)
    return weighted_sum(terms)


def weighted_sum(terms: Mapping[str, Term]) -> Tensor:
    """The sum of the terms, a scalar."""
    return torch.stack([term.weight * term.value for term in terms.values()]).sum()


def raw_values(terms: Mapping[str, Term]) -> Tensor:
    """The terms without weights and gradients, float32 (N,)."""
    return torch.stack([term.value.detach().float() for term in terms.values()])


def check_finite(names: Sequence[str], values: Tensor, step: int) -> None:
    """Refuse to go on after a loss that is no number; a GPU is waited for.

    Args:
        names: of the terms.
        values: (N,).
        step: that they are of.

    Raises:
        DivergedError: when one is NaN or infinite; the text names the step and the term.
    """
    if not torch.isfinite(values).all():
        bad = {k: v.item() for k, v in zip(names, values, strict=True) if not torch.isfinite(v)}
        raise DivergedError(
            f"step {step}: loss term {', '.join(f'{k} is {v}' for k, v in bad.items())}; lower the "
            "learning rate, clip gradients (--training.clip-norm 1), or use 32-bit precision"
        )
