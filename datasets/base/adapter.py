"""Where images come from: a ``Source`` is one split, an ``Adapter`` a dataset that has splits."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, Protocol, Self, TypedDict, runtime_checkable

import numpy as np

from .bounds import Checked
from .errors import DataError, UserError, unknown

SplitName = Literal["train", "validation", "test"]


class Planes(TypedDict, total=False):
    """One decoded image, before any geometry: every plane has one H x W."""

    rgb: np.ndarray  # H x W x 3 uint8, sRGB
    nir: np.ndarray  # H x W uint8
    photo: np.ndarray  # H x W x 3 uint8, sRGB: another picture, for training (see ``mixtures``)
    boxes: np.ndarray  # K x 4 float32, pixels, xyxy (x2, y2 exclusive)


@runtime_checkable
class Source(Protocol):
    """The images of one split: named, countable, loadable by position."""

    keys: Sequence[str]

    def __len__(self) -> int: ...

    def load(self, index: int) -> Planes:
        """Decode image ``index``; raises ``DataError`` naming the file when it cannot."""
        ...

    def stamp(self, index: int) -> str:
        """A short text that changes when the content of image ``index`` may have changed."""
        ...


@runtime_checkable
class NotingSource(Source, Protocol):
    """A source that says what of its files it leaves out."""

    def noted(self, index: int) -> tuple[Planes, list[str]]:
        """``load``, and a text "NAME: what" for each thing that is left out."""
        ...


class Record(NamedTuple):
    """One image of a file-based dataset: its name and the files of its planes."""

    key: str
    rgb: Path | None = None
    nir: Path | None = None
    boxes: tuple[tuple[float, float, float, float], ...] | None = None
    size: tuple[int, int] | None = None  # height and width that the boxes were made for

    def files(self) -> list[Path]:
        """The files that hold the planes."""
        return [path for path in (self.rgb, self.nir) if path is not None]


@dataclass(frozen=True, kw_only=True)
class Adapter(Checked, ABC):
    """A dataset: finds files and splits, nothing else.

    Attributes:
        root: the dataset's folder; default ``$CROSSCHROMA_DATA/<folder>`` (``data/<folder>``
            under the working directory when the variable is not set).
    """

    _prefix: ClassVar[str] = "data."

    root: Path | None = None

    name: ClassVar[str]  # as the command line and the results write it
    folder: ClassVar[str]  # below CROSSCHROMA_DATA
    planes: ClassVar[frozenset[str]]  # which of rgb, nir, boxes an image has
    layout: ClassVar[str]  # the expected files, for error texts

    @property
    def protocol(self) -> str:
        """Name of the split protocol, as results rows print it."""
        return self.name

    @property
    def protocols(self) -> Sequence[str]:
        """The split protocols that ``with_protocol`` takes: what a network may have learnt from."""
        return (self.protocol,)

    def with_protocol(self, name: str) -> Self:
        """The same dataset under another protocol; ``UserError`` for one it does not have."""
        if name not in self.protocols:
            raise UserError(unknown(f"protocol of {self.name}", name, self.protocols))
        return self

    @property
    def train_data(self) -> str:
        """Name of the training images, as results rows print it."""
        return f"{self.protocol} train"

    @abstractmethod
    def split(self, name: SplitName) -> Source:
        """The images of one split; raises ``DataError`` when the dataset is not there."""

    @property
    def has_validation(self) -> bool:
        """Whether the split ``validation`` holds images; without, a run keeps its last weights."""
        return True

    @property
    def has_test(self) -> bool:
        """Whether the split ``test`` holds images; without, no row can be made on the dataset."""
        return True

    @property
    def validation_part(self) -> str:
        """Which part of the data the split ``validation`` is, as results rows print it."""
        return "validation"

    def audit_splits(self) -> Mapping[str, Source]:
        """The splits that ``audit`` compares, by name."""
        names: list[SplitName] = ["train", "validation", "test"]
        if not self.has_validation:
            names.remove("validation")
        return {name: self.split(name) for name in names}

    def subsets(self) -> Mapping[str, Sequence[str]]:
        """Named subsets of the test keys that results report beside ``all``."""
        return {}

    def notes(self) -> list[str]:
        """Remarks for ``check``: what is absent without being an error, what is not used."""
        return []

    def rootless(self) -> Self:
        """The same without the folder, which differs between machines."""
        return replace(self, root=None)

    @property
    def default_folder(self) -> str:
        """The dataset's folder below ``$CROSSCHROMA_DATA``."""
        return self.folder

    def base(self) -> Path:
        """The dataset's folder, checked to exist."""
        path = self.root or Path(os.environ.get("CROSSCHROMA_DATA", "data")) / self.default_folder
        if not path.is_dir():
            raise DataError(
                f"{self.name}: no folder {path}. Name one (--root, or --data.root for train; or "
                f"its parent by CROSSCHROMA_DATA) that holds {self.layout}"
            )
        return path
