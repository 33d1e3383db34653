"""VCIP's pairs, and whole EPFL photographs in training that share no scene with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from ..base.adapter import Planes, Source, SplitName
from ..base.errors import UserError
from ..epfl_extra import EpflExtra
from ..vcip import Vcip
from .union import ChainedSource
from .wrapper import Wrapper


class RepeatedSource:
    """A source whose images count several times each, the whole list time after time."""

    def __init__(self, source: Source, times: int) -> None:
        self.source = source
        self.keys: Sequence[str] = [
            f"{key} #{time}" for time in range(times) for key in source.keys
        ]

    def __len__(self) -> int:
        return len(self.keys)

    def load(self, index: int) -> Planes:
        """Decode image ``index``; ``DataError`` as the source's."""
        return self.source.load(index % len(self.source))

    def stamp(self, index: int) -> str:
        """That of the image."""
        return self.source.stamp(index % len(self.source))


@dataclass(frozen=True, kw_only=True)
class VcipAndEpfl(Wrapper):
    """VCIP for everything, and photographs of ``EpflExtra`` among its training pairs.

    Name, protocol, validation and test are VCIP's, whose folder ``root`` is. Photographs of scenes
    that VCIP's fold keeps out for validation are left out of training.

    Attributes:
        pairs: VCIP and its fold.
        extra: the photographs.
        times: how often each counts: a view shows less of a whole photograph than of a crop.
    """

    wrapped = "pairs"

    pairs: Vcip = field(default_factory=Vcip)
    extra: EpflExtra = field(default_factory=EpflExtra)
    times: int = 2

    def __post_init__(self) -> None:
        """Check the number."""
        if self.times < 1:
            raise UserError(f"times {self.times}: each photograph must count at least once")

    @property
    def train_data(self) -> str:
        """Names both."""
        return f"{self.pairs.train_data} + {self.extra.protocol}"

    def split(self, name: SplitName) -> Source:
        """The pairs of a split, for ``train`` with the photographs; ``DataError`` without."""
        pairs = self._rooted()
        source = pairs.split(name)
        if name != "train":
            return source
        scenes = replace(self.pairs, root=pairs.root).validation_scenes()
        extra = RepeatedSource(self.extra.without_scenes(scenes), self.times)
        return ChainedSource({self.pairs.name: source, self.extra.name: extra}, self.planes)

    def audit_splits(self) -> Mapping[str, Source]:
        """VCIP's published splits, and the photographs."""
        return {**super().audit_splits(), f"train of {self.extra.name}": self.extra.split("train")}

    def base(self) -> Path:
        """VCIP's folder; both are checked to exist."""
        folder = super().base()
        self.extra.base()
        return folder

    def rootless(self) -> Self:
        """Without the folders of both."""
        return replace(super().rootless(), extra=self.extra.rootless())
