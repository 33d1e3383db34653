"""What the adapters of file-based datasets share: records, missing files, held-out images."""

from __future__ import annotations

import contextlib
import hashlib
import os
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..base.adapter import Adapter, Record, Source, SplitName
from ..base.bounds import NotNegative
from ..base.errors import DataError
from ..loading.tar_files import open_tar, split_path
from .folder import FileSource, chroma_text, drop_near_gray

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class FileAdapter(Adapter):
    """A dataset whose splits are lists of files."""

    @abstractmethod
    def records(self, name: SplitName) -> Sequence[Record]:
        """The images that a split should hold, whether or not every file is there."""

    def split(self, name: SplitName) -> Source:
        """The images of one split.

        Raises:
            DataError: naming the first missing files and their number, or that there are none.
        """
        return self.source(self.records(name), name)

    def published(self, name: SplitName) -> Sequence[Record]:
        """The images of one split as the dataset's authors cut it, for ``check`` and ``audit``."""
        return self.records(name)

    def audit_splits(self) -> Mapping[str, Source]:
        """The published splits."""
        return {name: self.source(self.published(name), name) for name in SPLITS}

    def source(self, records: Sequence[Record], what: str) -> FileSource:
        """The records as a source, their files checked to exist; ``what`` names them in errors."""
        if not records:
            raise DataError(
                f"{self.name}: no images for {what} in {self.base()}; expected {self.layout}"
            )
        absent = missing(path for record in records for path in record.files())
        if absent:
            first = ", ".join(str(path) for path in absent[:3])
            more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
            raise DataError(
                f"{self.name}: {len(absent)} files of {what} are missing: {first}{more}; "
                f"expected {self.layout}"
            )
        return FileSource(records)


@dataclass(frozen=True, kw_only=True)
class PhotoAdapter(FileAdapter):
    """A dataset of colour photos.

    Attributes:
        min_chroma: training photos with a smaller ab range (see ``drop_near_gray``) are left out,
            since gray photos teach a colorizer to paint gray; 0 keeps all, usual are 5 and 10.
        chroma_cache: file that remembers the ab ranges; without it every training photo is decoded
            once at the start, which takes two hours for ImageNet.
    """

    min_chroma: NotNegative = 0.0
    chroma_cache: Path | None = None

    @property
    def train_data(self) -> str:
        """Names the filter, too; the choice of test images does not matter here."""
        return f"{self.name} train{chroma_text(self.min_chroma)}"

    def split(self, name: SplitName) -> Source:
        """The images of one split, near-gray ones left out of ``train``; see ``FileAdapter``."""
        source = super().split(name)
        if name == "train" and self.min_chroma > 0:
            return drop_near_gray(source, self.min_chroma, self.chroma_cache)
        return source

    def photo(self, path: Path) -> Record:
        """The record of a photo below the dataset's folder, its relative path the key."""
        return Record(key=path.relative_to(self.base()).as_posix(), rgb=path)


def missing(paths: Iterable[Path]) -> list[Path]:
    """Those of ``paths`` that do not exist, in order.

    Lists each folder once: a million single look-ups take minutes on a network drive.
    """
    listed: dict[Path, set[str]] = {}
    absent = []
    for path in paths:
        if place := split_path(path):  # archives have been listed, too
            archive, member = place
            absent += [] if member in open_tar(archive).members else [path]
            continue
        folder = path.parent
        if folder not in listed:
            listed[folder] = set()
            with contextlib.suppress(OSError):  # no such folder: all its files are missing
                listed[folder].update(os.listdir(folder))
        if path.name not in listed[folder]:
            absent.append(path)
    return absent


def hold_out(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Cut ``records`` into (train, validation), the same way on every machine.

    Validation is the tenth of the images, 5,000 at most, whose keys have the lowest SHA-256, so
    that it is spread over all classes and does not depend on the order of the files.
    """
    count = min(5000, max(1, len(records) // 10))
    ranked = sorted(records, key=lambda record: hashlib.sha256(record.key.encode()).digest())
    held = {record.key for record in ranked[:count]}
    return (
        [record for record in records if record.key not in held],
        [record for record in records if record.key in held],
    )
