"""Losses that are looked at late, as on a GPU, and scalars that are fetched together."""

from __future__ import annotations

import pytest
import torch
from crosschroma.experiments.training.step import LossWatch, numbers
from crosschroma.losses.terms import DivergedError, Term


def terms(l1: float, adv: float) -> dict[str, Term]:
    return {"l1": Term(torch.tensor(l1)), "adv": Term(torch.tensor(adv), 0.5)}


def test_what_is_looked_at_late_names_the_first_step_that_diverged() -> None:
    watch = LossWatch(at_once=False)
    watch.note(terms(1.0, 2.0), 7)
    watch.note(terms(1.0, float("inf")), 8)
    watch.note(terms(float("nan"), float("nan")), 9)
    with pytest.raises(DivergedError, match="step 8: loss term adv is inf"):
        watch.check()
    watch.check()  # what was looked at is not looked at again


def test_what_is_looked_at_at_once_raises_at_once() -> None:
    watch = LossWatch(at_once=True)
    watch.note(terms(1.0, 2.0), 7)
    with pytest.raises(DivergedError, match="step 8: loss term l1 is nan"):
        watch.note(terms(float("nan"), 1.0), 8)


def test_scalars_are_fetched_by_name() -> None:
    scalars = {"a": torch.tensor(1.5), "b": torch.tensor(2, dtype=torch.bfloat16)}
    assert numbers(scalars) == {"a": 1.5, "b": 2.0}
