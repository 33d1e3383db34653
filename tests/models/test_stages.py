"""Which stage a step belongs to, and over which steps its learning rate takes its course."""

from __future__ import annotations

import pytest
from crosschroma.datasets.errors import UserError
from crosschroma.models.stages import RatedStage, Schedule, Stage


def test_every_step_is_in_one_stage_and_the_last_goes_on() -> None:
    first, second, third = (Stage(name=name, steps=n) for name, n in (("a", 3), ("b", 1), ("a", 2)))
    schedule = Schedule([first, second, third])
    assert [schedule.stage(i) for i in range(8)] == [first] * 3 + [second] + [third] * 4
    parts = [schedule.steps(i, 8) for i in (0, 2, 3, 4, 7)]
    assert parts == [range(3), range(3), range(3, 4), range(4, 8), range(4, 8)]


def test_a_shorter_training_ends_within_a_stage() -> None:
    schedule = Schedule([Stage(name="a", steps=3), Stage(name="b", steps=2)])
    assert schedule.steps(1, 2) == range(2)
    assert schedule.steps(3, 4) == range(3, 4)


def test_settings_are_checked() -> None:
    with pytest.raises(UserError, match="stage a: 0 steps"):
        Stage(name="a", steps=0)
    with pytest.raises(UserError, match="stage a: 0 steps"):
        RatedStage(name="a", steps=0, lr=1e-3)
    with pytest.raises(UserError, match="stage a: learning rate 0"):
        RatedStage(name="a", steps=1, lr=0)
    with pytest.raises(UserError, match="no stage trains anything"):
        Schedule([])
