"""Which stage a step belongs to, and over which steps its learning rate takes its course."""

from __future__ import annotations

from dataclasses import replace

import pytest
from crosschroma.datasets.base.errors import UserError
from crosschroma.models.base.method import Method
from crosschroma.models.base.stages import RatedStage, Schedule, Stage, Staged
from crosschroma.models.cocolor.method import CoColor
from crosschroma.models.instance_aware.method import InstanceAware
from crosschroma.models.nogan.method import NoGan
from crosschroma.models.zhang17.method import Zhang17


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


def test_rates_are_those_of_the_stages_over_the_first() -> None:
    stages = [RatedStage(name=str(lr), steps=2, lr=lr) for lr in (4.0, 1.0, 2.0)]
    schedule = Schedule(stages)
    assert [schedule.rate_factor(i) for i in range(7)] == [1, 1, 0.25, 0.25, 0.5, 0.5, 0.5]
    assert Schedule([Stage(name="a", steps=1)]).rate_factor(3) == 1


def test_a_system_in_stages_answers_by_its_schedule() -> None:
    """Before the answers of the method that it is besides."""

    class Plain:
        def schedule_part(self, index: int, steps: int) -> range:
            return range(steps)

        def rate_factor(self, step: int) -> float:
            return 1.0

    class System(Staged[RatedStage], Plain):
        schedule = Schedule([RatedStage(name=str(lr), steps=2, lr=lr) for lr in (4.0, 1.0)])

    assert System().schedule_part(2, 9) == range(2, 9)
    assert System().rate_factor(2) == 0.25


def test_settings_are_checked() -> None:
    with pytest.raises(UserError, match=r"--method\.stages\.steps 0: must be at least 1"):
        Stage(name="a", steps=0)
    with pytest.raises(UserError, match=r"--method\.stages\.steps 0: must be at least 1"):
        RatedStage(name="a", steps=0, lr=1e-3)
    with pytest.raises(UserError, match=r"--method\.stages\.lr 0: must be positive"):
        RatedStage(name="a", steps=1, lr=0)
    with pytest.raises(UserError, match="no stage trains anything"):
        Schedule([])


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (CoColor.Config(), "stages"),
        (InstanceAware.Config(), "stages"),
        (NoGan.Config(), "phases"),
        (Zhang17.Config(), "stages"),
    ],
)
def test_a_method_names_the_stages_that_it_has(config: Method.Config, field: str) -> None:
    stages = getattr(config, field)
    misspelt = replace(stages[-1], name=f"{stages[-1].name}s")
    with pytest.raises(UserError, match=f"unknown stage .* did you mean {stages[-1].name}"):
        replace(config, **{field: (*stages[:-1], misspelt)})
