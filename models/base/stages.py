"""A training in stages: which one an optimisation step belongs to, and how fast it learns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Generic, TypeVar

from ...datasets.base.bounds import Checked, Count, Positive
from ...datasets.base.errors import UserError, unknown


@dataclass(frozen=True, kw_only=True)
class Stage(Checked):
    """A part of a training.

    Attributes:
        name: what is trained in it; the method says which there are.
        steps: its optimisation steps.
    """

    _prefix: ClassVar[str] = "method.stages."

    name: str
    steps: Count


@dataclass(frozen=True, kw_only=True)
class RatedStage(Stage):
    """A stage with a learning rate of its own.

    Attributes:
        lr: the rate.
    """

    lr: Positive


S = TypeVar("S", bound=Stage)


def check_names(stages: Iterable[Stage], names: Sequence[str]) -> None:
    """Raise ``UserError`` unless every stage has one of a method's names."""
    for stage in stages:
        if stage.name not in names:
            raise UserError(unknown("stage", stage.name, names))


class Schedule(Generic[S]):
    """Stages one after the other; the last goes on to the end of the training.

    Raises:
        UserError: there are none.
    """

    def __init__(self, stages: Sequence[S]) -> None:
        if not stages:
            raise UserError("no stage trains anything; name at least one")
        self._stages = tuple(stages)
        self._ends = list(accumulate(stage.steps for stage in stages))

    def stage(self, index: int) -> S:
        """The stage of optimisation step ``index``, from 0."""
        return self._stages[self._number(index)]

    def steps(self, index: int, total: int) -> range:
        """The steps of the stage of step ``index`` in a training of ``total`` steps."""
        number = self._number(index)
        begin = self._ends[number - 1] if number else 0
        last = number == len(self._ends) - 1
        return range(begin, total if last else min(self._ends[number], total))

    def rate_factor(self, index: int) -> float:
        """The rate in step ``index`` over that of the first stage; 1 for stages without rates."""
        first, stage = self._stages[0], self.stage(index)
        if isinstance(first, RatedStage) and isinstance(stage, RatedStage):
            return stage.lr / first.lr
        return 1.0

    def _number(self, index: int) -> int:
        return min(bisect_right(self._ends, index), len(self._ends) - 1)


class Staged(Generic[S]):
    """What the engine asks of a method in stages, whose optimisers begin at the first one's rate.

    A base beside ``Method``, before it.
    """

    schedule: Schedule[S]

    def schedule_part(self, index: int, steps: int) -> range:
        """See ``Method.schedule_part``: learning rates begin anew in each stage."""
        return self.schedule.steps(index, steps)

    def rate_factor(self, step: int) -> float:
        """See ``Method.rate_factor``."""
        return self.schedule.rate_factor(step)
