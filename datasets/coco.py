"""COCO 2017: photos with the boxes of their objects."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, NamedTuple, TypedDict

from .base.adapter import Record, SplitName
from .base.boxes import Box, largest_first
from .base.errors import DataError
from .base.json_file import read_json
from .files.adapter import PhotoAdapter, hold_out, missing


@dataclass(frozen=True, kw_only=True)
class Coco(PhotoAdapter):
    """COCO 2017: 118,287 training and 5,000 validation photos, JPEG, and their object boxes.

    Source: https://cocodataset.org/#download .
    Paper: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014.
    Terms: annotations CC BY 4.0; the photos are Flickr users' and keep their licences.

    Test is ``val2017``; validation is cut from ``train2017`` (see ``hold_out``). Images without
    objects are kept, with no boxes; boxes are cut to the image, those without area left out, the
    largest first.

    Attributes:
        crowd: keep the boxes of crowds (``iscrowd``: one box around many objects) too.
        allow_missing: leave out images that are listed but not there, instead of an error.
    """

    crowd: bool = False
    allow_missing: bool = False

    name: ClassVar[str] = "coco"
    folder: ClassVar[str] = "coco"
    planes: ClassVar[frozenset[str]] = frozenset({"rgb", "boxes"})
    layout: ClassVar[str] = (
        "train2017/*.jpg, val2017/*.jpg and annotations/instances_{train,val}2017.json"
    )

    def records(self, name: SplitName) -> list[Record]:
        """Photos of one split with their boxes.

        Raises:
            DataError: when an annotation file is missing or not in COCO's format.
        """
        if name == "test":
            return self._part("val2017")
        # cut before missing images are left out: a split must not depend on what was downloaded
        train, validation = hold_out(self._listed("train2017"))
        return self._there(train if name == "train" else validation)

    def notes(self) -> list[str]:
        """Annotations of images that are not listed, and images ``allow_missing`` left out."""
        parts = {part: len(self._listed(part)) for part in ("train2017", "val2017")}
        unlisted = {part: self._listing(part).unlisted for part in parts}
        notes = [
            f"{part}: {count} annotations belong to images that are not listed, and are not used"
            for part, count in unlisted.items()
            if count
        ]
        if not self.allow_missing:
            return notes
        return notes + [
            f"{part}: {total - len(self._part(part))} of {total} listed images are not there"
            for part, total in parts.items()
        ]

    def _part(self, part: str) -> list[Record]:
        return self._there(self._listed(part))

    def _there(self, records: list[Record]) -> list[Record]:
        if not self.allow_missing:
            return records
        gone = set(missing(path for record in records for path in record.files()))
        return [record for record in records if record.rgb not in gone]

    def _listed(self, part: str) -> list[Record]:
        folder, listing = self.base() / part, self._listing(part)
        return [
            Record(key=f"{part}/{file}", rgb=folder / file, boxes=boxes, size=listing.sizes[file])
            for file, boxes in listing.boxes.items()
        ]

    def _listing(self, part: str) -> _Listing:
        path = self.base() / "annotations" / f"instances_{part}.json"
        if not path.is_file():
            raise DataError(f"{self.name}: no file {path}; expected {self.layout}")
        return _read_listing(path, path.stat().st_mtime_ns, self.crowd)


class _Listing(NamedTuple):
    boxes: dict[str, tuple[Box, ...]]
    sizes: dict[str, tuple[int, int]]  # height, width
    unlisted: int  # annotations of images that are not listed


class _Image(TypedDict):
    id: int
    file_name: str
    width: float
    height: float


class _Crowd(TypedDict, total=False):
    iscrowd: int


class _Object(_Crowd):
    image_id: int
    bbox: tuple[float, float, float, float]


class _Instances(TypedDict):
    images: list[_Image]
    annotations: list[_Object]


@lru_cache(maxsize=4)
def _read_listing(path: Path, changed_ns: int, crowd: bool) -> _Listing:
    """Boxes by image file, xyxy in pixels; kept in memory: the training JSON takes 10 s to read."""
    content: _Instances = read_json(path, _Instances, "COCO instances file")
    images = sorted(content["images"], key=lambda image: image["file_name"])
    for one, other in pairwise(images):
        if one["file_name"] == other["file_name"]:
            raise DataError(f"{path} lists {one['file_name']} twice; keep one of the entries")
    sizes = {image["id"]: (image["width"], image["height"]) for image in images}
    if len(sizes) < len(images):
        raise DataError(f"{path} gives two images one id; give each its own")
    boxes: dict[int, list[Box]] = defaultdict(list)
    unlisted = 0
    for item in content["annotations"]:
        number = item["image_id"]
        if number not in sizes:
            unlisted += 1
        elif crowd or not item.get("iscrowd", 0):
            boxes[number].append(_xyxy(item["bbox"], *sizes[number]))
    return _Listing(
        {i["file_name"]: largest_first(filter(_has_area, boxes[i["id"]])) for i in images},
        {i["file_name"]: (int(i["height"]), int(i["width"])) for i in images},
        unlisted,
    )


def _xyxy(bbox: tuple[float, float, float, float], width: float, height: float) -> Box:
    x, y, w, h = map(float, bbox)
    return max(x, 0.0), max(y, 0.0), min(x + w, float(width)), min(y + h, float(height))


def _has_area(box: Box) -> bool:
    return box[2] > box[0] and box[3] > box[1]
