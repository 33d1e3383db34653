"""Several datasets that have the same planes: one training on the training images of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self, cast

import numpy as np

from ..base.adapter import Adapter, Planes, Source, SplitName
from ..base.errors import DataError
from ..bsds500 import Bsds500
from ..imagenet import ImageNetSample
from .wrapper import Wrapper


class ChainedSource:
    """The images of several sources, one source after the other.

    Args:
        sources: by a name that goes before their keys, so that no two images share one.
        planes: those that an image keeps, since a batch needs the same of all.

    Raises:
        DataError: there are none.
    """

    def __init__(self, sources: Mapping[str, Source], planes: frozenset[str]) -> None:
        if not sources:
            raise DataError("no datasets to join; name at least one")
        self.sources, self.planes = tuple(sources.values()), planes
        self.keys: Sequence[str] = [
            f"{name}/{key}" for name, source in sources.items() for key in source.keys
        ]
        self._starts = np.cumsum([0, *(len(source) for source in self.sources)])

    def __len__(self) -> int:
        return len(self.keys)

    def load(self, index: int) -> Planes:
        """Decode image ``index``; ``DataError`` as its own source's."""
        source, position = self._place(index)
        planes = source.load(position)
        return cast(Planes, {name: planes[name] for name in planes if name in self.planes})

    def stamp(self, index: int) -> str:
        """That of the image's own source."""
        source, position = self._place(index)
        return source.stamp(position)

    def _place(self, index: int) -> tuple[Source, int]:
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self.sources[number], index - int(self._starts[number])


@dataclass(frozen=True, kw_only=True)
class Union(Wrapper):
    """The training images of several datasets, each as often as every other image.

    Name, protocol, planes, validation and test are those of ``first``, whose folder ``root`` is;
    the validation and test images of the others are used for nothing.

    Attributes:
        first: the dataset that validates and tests.
        others: further datasets with at least these planes; their split ``train`` is used.
    """

    wrapped = "first"

    first: Adapter = field(default_factory=ImageNetSample)
    others: tuple[Adapter, ...] = (Bsds500(),)

    def __post_init__(self) -> None:
        """Check that the datasets go together."""
        names = [adapter.name for adapter in (self.first, *self.others)]
        if len(set(names)) < len(names):
            raise DataError(f"{', '.join(names)}: each dataset may be joined once")
        for other in self.others:
            if not self.first.planes <= other.planes:
                missing = ", ".join(sorted(self.first.planes - other.planes))
                raise DataError(
                    f"{other.name} has no {missing}, which images of {self.first.name} have; join "
                    "datasets of the same planes"
                )

    @property
    def train_data(self) -> str:
        """Names all."""
        return " + ".join(adapter.train_data for adapter in (self.first, *self.others))

    def split(self, name: SplitName) -> Source:
        """The training images of all, or another split of the first; ``DataError`` without."""
        first = self._rooted()
        if name != "train":
            return first.split(name)
        sources = {one.name: one.split("train") for one in (first, *self.others)}
        return ChainedSource(sources, self.planes)

    def audit_splits(self) -> Mapping[str, Source]:
        """The published splits of the first, and the training images of the others."""
        more = {f"train of {other.name}": other.split("train") for other in self.others}
        return {**self._rooted().audit_splits(), **more}

    def base(self) -> Path:
        """The first one's folder; all are checked to exist."""
        folder = super().base()
        for other in self.others:
            other.base()
        return folder

    def rootless(self) -> Self:
        """Without the folders of all."""
        others = tuple(other.rootless() for other in self.others)
        return replace(super().rootless(), others=others)
