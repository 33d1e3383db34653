from __future__ import annotations

import pytest
import torch
from crosschroma.losses.terms import DivergedError, Term, total


def test_total_is_the_weighted_sum() -> None:
    terms = {"a": Term(torch.tensor(2.0), 3.0), "b": Term(torch.tensor(5.0), 0.5)}
    assert total(terms, 0).item() == 8.5


def test_a_term_that_is_not_finite_is_named_with_its_step() -> None:
    terms = {"l1": Term(torch.tensor(1.0)), "adv_g": Term(torch.tensor(float("nan")))}
    with pytest.raises(DivergedError, match="step 17: loss term adv_g is nan"):
        total(terms, 17)
