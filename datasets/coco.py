"""COCO 2017: photos with the boxes of their objects."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, TypedDict

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
        """How many listed images ``allow_missing`` left out."""
        if not self.allow_missing:
            return []
        parts = {part: len(self._listed(part)) for part in ("train2017", "val2017")}
        return [
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
        base = self.base()
        path = base / "annotations" / f"instances_{part}.json"
        if not path.is_file():
            raise DataError(f"{self.name}: no file {path}; expected {self.layout}")
        boxes = _boxes(path, path.stat().st_mtime_ns, self.crowd)
        return [
            Record(key=f"{part}/{file}", rgb=base / part / file, boxes=found)
            for file, found in boxes.items()
        ]


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
def _boxes(path: Path, changed_ns: int, crowd: bool) -> dict[str, tuple[Box, ...]]:
    """Boxes by image file, xyxy in pixels; kept in memory: the training JSON takes 10 s to read."""
    content: _Instances = read_json(path, _Instances, "COCO instances file")
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    boxes: dict[int, list[Box]] = defaultdict(list)
    for item in content["annotations"]:
        number = item["image_id"]
        if number not in sizes:
            raise DataError(f"{path} is not a COCO instances file: no image {number}")
        if crowd or not item.get("iscrowd", 0):
            boxes[number].append(_xyxy(item["bbox"], *sizes[number]))
    return {
        image["file_name"]: largest_first(box for box in boxes[image["id"]] if _has_area(box))
        for image in sorted(content["images"], key=lambda image: image["file_name"])
    }


def _xyxy(bbox: tuple[float, float, float, float], width: float, height: float) -> Box:
    x, y, w, h = map(float, bbox)
    return max(x, 0.0), max(y, 0.0), min(x + w, float(width)), min(y + h, float(height))


def _has_area(box: Box) -> bool:
    return box[2] > box[0] and box[3] > box[1]
