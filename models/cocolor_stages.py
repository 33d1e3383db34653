"""A training in stages: which one an optimisation step belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..datasets.errors import UserError

StageName = Literal["pretrain", "translate", "joint", "fuse"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of the training.

    Attributes:
        name: ``pretrain`` trains each colorizer on its own domain, ``translate`` the translators,
            ``joint`` all of these, ``fuse`` only what makes one result of several.
        steps: its optimisation steps.
    """

    name: StageName
    steps: int

    def __post_init__(self) -> None:
        """Check the count."""
        if self.steps < 1:
            raise UserError(f"stage {self.name}: {self.steps} steps; it needs at least 1")


class Part(NamedTuple):
    """A stage in its place."""

    name: StageName
    steps: range  # its optimisation steps, counted from 0


class Schedule:
    """Stages one after the other; the last goes on to the end of the training.

    Raises:
        UserError: there are none.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        if not stages:
            raise UserError(
                "no stage trains anything; name others (pretrain, translate, joint, fuse)"
            )
        self._parts: list[Part] = []
        for stage in stages:
            start = self._parts[-1].steps.stop if self._parts else 0
            self._parts.append(Part(stage.name, range(start, start + stage.steps)))

    def stage(self, index: int) -> StageName:
        """The stage of optimisation step ``index``."""
        return self._at(index).name

    def steps(self, index: int, total: int) -> range:
        """The steps of the stage of step ``index`` in a training of ``total`` steps."""
        part = self._at(index)
        end = total if part is self._parts[-1] else min(part.steps.stop, total)
        return range(part.steps.start, end)

    def _at(self, index: int) -> Part:
        return next((part for part in self._parts if index < part.steps.stop), self._parts[-1])
