from __future__ import annotations

import math

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.losses.distillation import distillation_kl

# two bins at two pixels of one row: log-odds of the teacher 2 and 0, of the student 0 and 0
TEACHER = torch.tensor([[[[2.0, 0.0]], [[0.0, 0.0]]]])
STUDENT = torch.zeros(1, 2, 1, 2)


def divergence(log_odds: float) -> float:
    """KL of two classes with these log-odds from an even chance."""
    p = 1 / (1 + math.exp(-log_odds))
    return p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p))


@pytest.mark.parametrize("t", [1.0, 4.0])
@pytest.mark.parametrize("axis", ["channels", "pixels"])
def test_by_hand(axis: str, t: float) -> None:
    """Of both axes one distribution is (2, 0) / t and one is even."""
    found = distillation_kl(STUDENT, TEACHER, t, axis)  # pyright: ignore
    assert found.item() == pytest.approx(t**2 * divergence(2 / t) / 2, rel=1e-5)
    assert distillation_kl(TEACHER, TEACHER, t, axis).item() == pytest.approx(0, abs=1e-7)  # pyright: ignore


def test_the_teacher_comes_first() -> None:
    """KL is not symmetric: here from (.9, .1) to (.5, .5)."""
    teacher = torch.tensor([0.9, 0.1]).log().view(1, 2, 1, 1)
    found = distillation_kl(torch.zeros(1, 2, 1, 1), teacher)
    assert found.item() == pytest.approx(0.9 * math.log(1.8) + 0.1 * math.log(0.2), rel=1e-5)


def test_what_each_axis_does_not_see() -> None:
    generator = torch.Generator().manual_seed(0)
    ab = torch.rand(1, 2, 4, 4, generator=generator)
    both = ab + torch.rand(1, 1, 4, 4, generator=generator)  # the same to a and b
    assert distillation_kl(both, ab, axis="channels").item() == pytest.approx(0, abs=1e-6)
    assert distillation_kl(both, ab, axis="pixels") > 1e-3
    tinted = ab + torch.tensor([0.5, -0.5]).view(1, 2, 1, 1)
    assert distillation_kl(tinted, ab, axis="pixels").item() == pytest.approx(0, abs=1e-6)
    assert distillation_kl(tinted, ab, axis="channels") > 1e-3


def test_high_temperature_is_a_squared_error() -> None:
    """t^2 KL tends to half the variance of the difference over the axis."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(2, 5, 3, 3, generator=generator) for _ in range(2))
    wanted = (student - teacher).var(1, correction=0).mean() / 2
    found = distillation_kl(student.double(), teacher.double(), 100.0)
    assert found.item() == pytest.approx(wanted.item(), rel=0.05)


def test_gradients_reach_the_student_alone() -> None:
    student = STUDENT.clone().requires_grad_()
    teacher = TEACHER.clone().requires_grad_()
    distillation_kl(student, teacher, temperature=2.0).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().sum() > 0


def test_what_is_refused() -> None:
    with pytest.raises(UserError, match="axis of distillation 'channel'; did you mean channels"):
        distillation_kl(STUDENT, TEACHER, axis="channel")  # pyright: ignore
    with pytest.raises(UserError, match="temperature 0"):
        distillation_kl(STUDENT, TEACHER, 0.0)
