"""Whole photographs of EPFL: VCIP's kinds of scenes, and none of its test scenes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from .base import split_lists
from .base.adapter import Record, Source, SplitName
from .base.errors import DataError
from .files.adapter import FileAdapter

_FOLDERS = ("vcip_categories", "whole_256", "oldbuilding")


@dataclass(frozen=True, kw_only=True)
class EpflExtra(FileAdapter):
    """90 registered pairs of VCIP's four categories, and 20 of the category oldbuilding.

    The list ``splits/epfl-extra-scenes`` names every photograph, and the scenes of VCIP's training
    list that it shows, with margins and in more pixels than VCIP's crops (none for 13 of the 90).
    A photograph was matched to all 418 crops of VCIP by correlation and SIFT: none shows a scene
    of its test or validation folder. When scenes of the training list are kept out for
    validation, the photographs of these must be as well: see ``mixtures.VcipAndEpfl``.

    Source: EPFL RGB-NIR Scene dataset (Brown and Süsstrunk, CVPR 2011); short side 384, from
    github.com/YuChuang1205/VIS-NIR-registration-dataset commit af400e4, four of 256 rows from
    github.com/jianghongcheng/SF-GPT commit 4c7041a.
    Terms: no licence was found: take it as for research only, pass nothing on.

    There is nothing to test on. A network trained here has seen photographs of ``rgb-nir-scene``
    and must not be reported on these categories of it.

    Attributes:
        oldbuilding: whether the 20 of that category are there, which VCIP has not.
    """

    oldbuilding: bool = False

    name: ClassVar[str] = "epfl-extra"
    folder: ClassVar[str] = "epfl_extra"
    planes: ClassVar[frozenset[str]] = frozenset({"rgb", "nir"})
    layout: ClassVar[str] = f"{{{','.join(_FOLDERS)}}}/<category>_NNNN_{{rgb,nir}}.jpg"

    @property
    def protocol(self) -> str:
        """``epfl-extra``, and whether oldbuilding is in it."""
        return f"{self.name} with oldbuilding" if self.oldbuilding else self.name

    @property
    def has_validation(self) -> bool:
        """It has not."""
        return False

    @property
    def has_test(self) -> bool:
        """It has not."""
        return False

    def records(self, name: SplitName) -> list[Record]:
        """All pairs for ``train``; ``DataError`` for another split."""
        if name != "train":
            raise DataError(f"{self.name}: all its pairs are for training, none is for {name}")
        return self._records(())

    def without_scenes(self, scenes: Collection[str]) -> Source:
        """The pairs that show none of these scenes of ``splits/vcip-scenes``."""
        return self.source(self._records(scenes), "train")

    def audit_splits(self) -> Mapping[str, Source]:
        """The only split."""
        return {"train": self.split("train")}

    def _records(self, scenes: Collection[str]) -> list[Record]:
        base, records = self.base(), []
        for line in split_lists.read_split_list("epfl-extra-scenes"):
            path, *shown = line.split()
            folder, key = path.split("/")
            if not set(shown).isdisjoint(scenes) or (
                folder == "oldbuilding" and not self.oldbuilding
            ):
                continue
            rgb, nir = (base / folder / f"{key}_{plane}.jpg" for plane in ("rgb", "nir"))
            records.append(Record(key, rgb, nir))
        return records
