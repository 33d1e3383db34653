"""Photos in tar archives, for datasets of a million files; and how such archives are written."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .base.adapter import Record, SplitName
from .base.errors import DataError, UserError
from .files.adapter import FileAdapter, PhotoAdapter, hold_out
from .files.folder import FileSource
from .loading.tar_files import SUFFIX, open_tar

_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_FOLDERS = ("train", "val")


@dataclass(frozen=True, kw_only=True)
class Shards(PhotoAdapter):
    """Photos in tar archives ("shards"), as webdataset writes them and others read them.

    A photo is found by one read of its archive, so that order, shuffling and resuming are those of
    a folder: a run on shards of a folder's photos is the run on the folder, bit for bit. Validation
    is cut from ``train`` as ImageNet's is. Members that are no pictures (labels, texts) are left.

    Attributes:
        holds: what the photos are, as the results print it.
    """

    holds: str = "shards"

    name: ClassVar[str] = "shards"
    folder: ClassVar[str] = "shards"
    planes: ClassVar[frozenset[str]] = frozenset({"rgb"})
    layout: ClassVar[str] = "train/*.tar and val/*.tar with photos in them"

    @property
    def protocol(self) -> str:
        """What the shards hold."""
        return self.holds

    @property
    def train_data(self) -> str:
        """What they hold, and the filter."""
        return super().train_data.replace(self.name, self.holds, 1)

    def records(self, name: SplitName) -> list[Record]:
        """Photos of one split, sorted by key; raises ``DataError`` for a damaged archive."""
        if name == "test":
            return self._photos("val")
        train, validation = hold_out(self._photos("train"))
        return train if name == "train" else validation

    def source(self, records: Sequence[Record], what: str) -> FileSource:
        """The records as a source; their archives have been listed."""
        if not records:
            raise DataError(
                f"{self.name}: no images for {what} in {self.base()}; expected {self.layout}"
            )
        return FileSource(records)

    def _photos(self, part: str) -> list[Record]:
        records: dict[str, Record] = {}
        for archive in sorted((self.base() / part).glob(f"*{SUFFIX}")):
            for member in open_tar(archive).members:
                if not member.lower().endswith(_PICTURES):
                    continue
                key = f"{part}/{member}"
                if key in records:
                    raise DataError(f"{archive} and another archive of {part} both hold {member}")
                records[key] = Record(key=key, rgb=archive / member)
        return [records[key] for key in sorted(records, key=_place)]


def write_shards(
    data: FileAdapter,
    out: Path,
    photos: int = 1000,
    progress: Callable[[Path], object] = lambda path: None,
) -> list[Path]:
    """Write a dataset of photos as shards, files as they are, in the order of their keys.

    Args:
        data: a dataset of RGB files whose keys begin with ``train/`` and ``val/``.
        out: folder that gets ``train`` and ``val``.
        photos: of one archive.
        progress: called with each archive that is written.

    Returns:
        The archives.

    Raises:
        UserError: a folder that holds shards already, or a dataset of another kind.
        DataError: a file is missing.
    """
    if photos < 1:
        raise UserError(f"{photos} photos a shard: must be at least 1")
    if present := next(out.glob(f"*/*{SUFFIX}"), None):
        raise UserError(f"{present} is there already; choose another --out, or delete it")
    splits: list[SplitName] = ["train", "validation", "test"]
    records = sorted(
        (record for name in splits for record in data.records(name)),
        key=lambda record: _place(record.key),
    )
    parts = {record.key.partition("/")[0] for record in records}
    if not parts <= set(_FOLDERS) or any(record.rgb is None for record in records):
        raise UserError(f"{data.name} is not of photos in train and val: it cannot be sharded")
    archives = []
    for part in _FOLDERS:
        own = [record for record in records if record.key.startswith(f"{part}/")]
        (out / part).mkdir(parents=True, exist_ok=True)
        for number, start in enumerate(range(0, len(own), photos)):
            path = out / part / f"{number:05d}{SUFFIX}"
            write_tar(path, own[start : start + photos], f"{part}/")
            archives.append(path)
            progress(path)
    return archives


def _place(key: str) -> list[str]:
    """What keys are sorted by: as the paths of files are."""
    return key.split("/")


def write_tar(path: Path, records: Sequence[Record], prefix: str = "") -> None:
    """Write photos' files into one archive, by their keys without ``prefix``; atomic."""
    unfinished = path.with_name(f".{path.name}")
    with tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as archive:
        for record in records:
            assert record.rgb is not None
            archive.add(record.rgb, record.key.removeprefix(prefix), recursive=False)
    unfinished.rename(path)
