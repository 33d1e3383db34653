"""Registered pairs, each with a colour photograph beside it: two datasets for one training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from ..base.adapter import Adapter, Planes, Source, SplitName
from ..base.errors import DataError
from ..imagenet import ImageNetSample
from ..loading.views import resize
from ..vcip import Vcip
from .wrapper import Wrapper


class JoinedSource:
    """Every pair as often as every other, and at each time another photograph in its ``photo``.

    It is as long as the fewest rounds of all pairs that show every photograph once; the
    photographs start again when they run out. A photograph is cut to the pair's aspect around its
    centre and brought to its size, so that one view fits both.
    """

    def __init__(self, pairs: Source, photos: Source) -> None:
        self.pairs, self.photos = pairs, photos
        rounds = -(-len(photos) // len(pairs))
        self.keys: Sequence[str] = [
            f"{pairs.keys[index % len(pairs)]} | {photos.keys[index % len(photos)]}"
            for index in range(rounds * len(pairs))
        ]

    def __len__(self) -> int:
        return len(self.keys)

    def load(self, index: int) -> Planes:
        """Decode a pair and its photograph.

        Raises:
            DataError: a file cannot be decoded, or the photograph has no colour plane.
        """
        planes = self.pairs.load(index % len(self.pairs))
        photo = self.photos.load(index % len(self.photos))
        if "rgb" not in photo:
            raise DataError(f"{self.keys[index]}: the photograph has no rgb; join another dataset")
        height, width = planes["rgb"].shape[:2]
        return {**planes, "photo": _fitted(photo["rgb"], height, width)}

    def stamp(self, index: int) -> str:
        """Both stamps."""
        pair = self.pairs.stamp(index % len(self.pairs))
        return f"{pair} | {self.photos.stamp(index % len(self.photos))}"


@dataclass(frozen=True, kw_only=True)
class PairsAndPhotos(Wrapper):
    """Pairs for everything, and photographs of another dataset beside them in training.

    Name, protocol, validation and test are those of the pairs; ``root`` is the pairs' folder.

    Attributes:
        pairs: NIR and RGB pairs.
        photos: colour photographs; their split ``train`` is used.
    """

    wrapped = "pairs"

    pairs: Adapter = field(default_factory=Vcip)
    photos: Adapter = field(default_factory=ImageNetSample)

    @property
    def train_data(self) -> str:
        """Names both."""
        return f"{self.pairs.train_data} + {self.photos.train_data}"

    def split(self, name: SplitName) -> Source:
        """The pairs of a split, for ``train`` with photographs; ``DataError`` without either."""
        pairs = self._rooted().split(name)
        return JoinedSource(pairs, self.photos.split("train")) if name == "train" else pairs

    def base(self) -> Path:
        """The pairs' folder; both datasets' are checked to exist."""
        folder = super().base()
        self.photos.base()
        return folder

    def rootless(self) -> Self:
        """Without the folders of both."""
        return replace(super().rootless(), photos=self.photos.rootless())


def _fitted(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    """The largest central part of the aspect ``height``:``width``, at that size."""
    given_height, given_width = rgb.shape[:2]
    scale = min(given_height / height, given_width / width)
    cut_height = max(1, min(given_height, round(scale * height)))
    cut_width = max(1, min(given_width, round(scale * width)))
    top, left = (given_height - cut_height) // 2, (given_width - cut_width) // 2
    return resize(rgb[top : top + cut_height, left : left + cut_width], height, width)
