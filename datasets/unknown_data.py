"""The images behind weights that somebody else trained: known by name only."""

from __future__ import annotations

from dataclasses import dataclass

from .base.adapter import Adapter, Source, SplitName
from .base.errors import DataError


@dataclass(frozen=True, kw_only=True)
class UnknownData(Adapter):
    """Stands for the training data of imported weights; it holds no image.

    Attributes:
        known_as: the weights, and what they have learnt from, in words.
    """

    known_as: str = "unknown"

    name = "elsewhere"
    folder = "elsewhere"
    planes = frozenset({"rgb", "nir"})  # that there are none is told by ``split``
    layout = "nothing"

    @property
    def train_data(self) -> str:
        return self.known_as

    def split(self, name: SplitName) -> Source:
        """There is none: ``DataError``."""
        raise DataError(
            f"imported weights bring no {name} images; name a dataset (--dataset NAME --root DIR)"
        )
