from __future__ import annotations

from dataclasses import replace

import pytest
from crosschroma.datasets.errors import UserError
from crosschroma.models.cocolor import CoColor
from crosschroma.models.cocolor_stages import Schedule, Stage


def test_the_schedule_has_every_step_in_one_stage() -> None:
    schedule = Schedule([Stage(name="pretrain", steps=3), Stage(name="fuse", steps=2)])
    assert [schedule.stage(i) for i in range(7)] == ["pretrain"] * 3 + ["fuse"] * 4
    assert [schedule.steps(i, 7) for i in (0, 2, 3, 6)] == [range(3)] * 2 + [range(3, 7)] * 2
    assert schedule.steps(1, 2) == range(2)
    with pytest.raises(UserError, match="pretrain: 0 steps"):
        Stage(name="pretrain", steps=0)


def test_settings_that_train_nothing_are_named() -> None:
    small = CoColor.Config().smoke()
    with pytest.raises(UserError, match="no stage trains anything"):
        replace(small, stages=()).build()
    with pytest.raises(UserError, match="no stage trains anything"):
        replace(small, gray_branch=False, stages=(Stage(name="translate", steps=3),)).build()
    with pytest.raises(UserError, match="output gray cannot be made from nir"):
        replace(small, output="gray").build()
