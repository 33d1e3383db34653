"""The stages of CoColor's training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..base import stages

StageName = Literal["pretrain", "translate", "joint", "fuse"]


@dataclass(frozen=True, kw_only=True)
class Stage(stages.Stage):
    """A part of the training.

    Attributes:
        name: ``pretrain`` trains each colorizer on its own domain, ``translate`` the translators,
            ``joint`` all of these, ``fuse`` only what makes one result of several.
    """

    name: StageName
