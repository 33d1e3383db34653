"""EPFL RGB-NIR Scene dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from .base import split_lists
from .base.adapter import Record, Source, SplitName
from .base.errors import DataError, UserError, unknown
from .files.adapter import SPLITS, FileAdapter

# Photos per category. Only the total, 477, was checked; only notes use the others.
PHOTOS = {
    "country": 52,
    "field": 51,
    "forest": 53,
    "indoor": 56,
    "mountain": 55,
    "oldbuilding": 51,
    "street": 50,
    "urban": 58,
    "water": 51,
}


@dataclass(frozen=True, kw_only=True)
class RgbNirScene(FileAdapter):
    """RGB-NIR Scene: 477 registered colour and near-infrared photo pairs in nine categories.

    Source: EPFL, https://www.epfl.ch/labs/ivrl/research/downloads/rgb-nir-scene-dataset/ .
    Paper: Brown and Süsstrunk, "Multi-spectral SIFT for Scene Category Recognition", CVPR 2011.
    Terms: no licence was found: take it as for research only, cite the paper, pass nothing on.

    VCIP's images are crops of these photos: a network trained here has seen VCIP's test scenes and
    must not be reported on VCIP.

    The dataset has no split of its own. Ours is by photo and fixed in ``splits/rgb-nir-scene-*``:
    in each ten consecutive numbers of a category, the two names ("indoor/0007") of the lowest
    SHA-256 are test, the third is validation. The lists name every number up to 0099, because the
    numbering has gaps: a photo's split depends on its name alone, also where only some categories
    are present. Neighbouring numbers may show one place; splitting by photo does not part them.
    For networks trained elsewhere the protocol ``rgb-nir-scene-all`` tests on every photo.

    Attributes:
        categories: which of the nine; all that are there when not set.
        all_test: every photo is a test image, and none is left to train on.
    """

    categories: tuple[str, ...] | None = None
    all_test: bool = False

    name: ClassVar[str] = "rgb-nir-scene"
    folder: ClassVar[str] = "rgb_nir_scene"
    planes: ClassVar[frozenset[str]] = frozenset({"rgb", "nir"})
    layout: ClassVar[str] = (
        f"nirscene1/<category>/NNNN_rgb.tiff and NNNN_nir.tiff; categories: {', '.join(PHOTOS)}"
    )

    def __post_init__(self) -> None:
        """Refuse an unknown category."""
        for category in self.categories or ():
            if category not in PHOTOS:
                raise UserError(unknown("rgb-nir-scene category", category, PHOTOS))

    @property
    def protocol(self) -> str:
        """``rgb-nir-scene`` or ``rgb-nir-scene-all``, and the categories where they were chosen."""
        chosen = f" {'+'.join(sorted(self.categories))}" if self.categories else ""
        return self.name + ("-all" if self.all_test else "") + chosen

    @property
    def protocols(self) -> tuple[str, ...]:
        """Both, of the chosen categories."""
        return tuple(self._by_protocol())

    def with_protocol(self, name: str) -> RgbNirScene:
        """The same folder under ``rgb-nir-scene`` or ``rgb-nir-scene-all``."""
        both = self._by_protocol()
        if name not in both:
            raise UserError(unknown("protocol of rgb-nir-scene", name, both))
        return both[name]

    def _by_protocol(self) -> dict[str, RgbNirScene]:
        both = (replace(self, all_test=all_test) for all_test in (False, True))
        return {data.protocol: data for data in both}

    def records(self, name: SplitName) -> list[Record]:
        """Pairs of one split, out of those that are there.

        Raises:
            DataError: for any but the test images under ``rgb-nir-scene-all``.
        """
        if self.all_test and name != "test":
            raise DataError(
                f"{self.protocol} keeps no images for {name}: all are test images; "
                "take the protocol rgb-nir-scene, or leave --data.all-test out"
            )
        if self.all_test:
            return self._found()
        listed = set(split_lists.read_split_list(f"rgb-nir-scene-{name}"))
        return [record for record in self._found() if record.key in listed]

    @property
    def has_validation(self) -> bool:
        """Whether one split is for validation."""
        return not self.all_test

    def audit_splits(self) -> Mapping[str, Source]:
        """The splits that ``audit`` compares, by name."""
        return {"test": self.split("test")} if self.all_test else super().audit_splits()

    def notes(self) -> list[str]:
        """Absent categories, and photos that no list names."""
        found = self._found()
        counts = Counter(record.key.split("/")[0] for record in found)
        listed = {
            key for name in SPLITS for key in split_lists.read_split_list(f"rgb-nir-scene-{name}")
        }
        unlisted = [record.key for record in found if record.key not in listed]
        wanted = self.categories or tuple(PHOTOS)
        absent = [category for category in wanted if not counts[category]]
        notes = [
            f"{category}: {count} of {PHOTOS[category]} photos"
            for category, count in counts.items()
            if count != PHOTOS[category]
        ]
        if absent:
            notes.append(f"absent categories: {', '.join(absent)}")
        if unlisted:
            notes.append(f"in no split list, so not used: {', '.join(unlisted[:5])}")
        return [
            *notes,
            "VCIP's images are crops of these photos: do not report VCIP after training",
        ]

    def _found(self) -> list[Record]:
        base = self.base() / "nirscene1"
        there = [category for category in PHOTOS if (base / category).is_dir()]
        categories = self.categories or there
        absent = [category for category in categories if category not in there]
        if absent or not categories:
            raise DataError(
                f"{self.name}: no folder {base}/{absent[0] if absent else '<category>'}; "
                f"expected {self.layout}"
            )
        return [record for category in categories for record in _pairs(base / category)]


def _pairs(folder: Path) -> list[Record]:
    """Every NNNN of which one file at least is there; both files are named by the record."""
    files = [path for path in folder.glob("*.tif*") if path.stem.endswith(("_rgb", "_nir"))]
    return [
        Record(
            f"{folder.name}/{number}",
            rgb=_file(folder, f"{number}_rgb"),
            nir=_file(folder, f"{number}_nir"),
        )
        for number in sorted({path.stem[:-4] for path in files})
    ]


def _file(folder: Path, stem: str) -> Path:
    short = folder / f"{stem}.tif"
    return short if short.is_file() else folder / f"{stem}.tiff"
