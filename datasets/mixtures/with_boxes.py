"""Any dataset with boxes of objects from a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from ..base.adapter import Adapter, Planes, Source, SplitName
from ..base.bounds import Share
from ..base.boxes import MIN_SCORE, Box, boxes_outside, cut_boxes, read_boxes
from ..base.errors import DataError
from ..imagenet import ImageNetSample
from .wrapper import Wrapper


class BoxedSource:
    """The images of a source with boxes from elsewhere, cut to the image.

    Raises:
        DataError: an image that has no entry among the boxes.
    """

    def __init__(self, source: Source, boxes: Mapping[str, Sequence[Box]], where: str) -> None:
        missing = [key for key in source.keys if key not in boxes]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise DataError(
                f"{where} has no entry for {missing[0]}{more}; add them, with [] where there is "
                "no object, or write the file anew by `crosschroma data boxes`"
            )
        self.source, self.boxes = source, boxes
        self.keys = source.keys

    def __len__(self) -> int:
        return len(self.source)

    def load(self, index: int) -> Planes:
        """Decode an image and add its boxes."""
        return self.noted(index)[0]

    def noted(self, index: int) -> tuple[Planes, list[str]]:
        """The same, and how many boxes lie outside the image, which are left out."""
        planes: Planes = self.source.load(index)
        plane = planes["rgb"] if "rgb" in planes else planes["nir"]
        height, width = plane.shape[:2]
        listed = self.boxes[self.keys[index]]
        outside = boxes_outside(listed, height, width)
        note = f"{len(outside)} of {len(listed)} boxes lie outside the picture"
        boxes = np.array(listed, np.float32).reshape(-1, 4)
        planes = {**planes, "boxes": cut_boxes(boxes, 0, 0, height, width)}
        return planes, [f"{self.keys[index]}: {note}"] if outside else []

    def stamp(self, index: int) -> str:
        """The underlying stamp and the boxes."""
        boxes = repr(tuple(self.boxes[self.keys[index]])).encode()
        return f"{self.source.stamp(index)} {hashlib.sha256(boxes).hexdigest()[:16]}"


@dataclass(frozen=True, kw_only=True)
class WithBoxes(Wrapper):
    """A dataset whose images have the boxes of a file; see ``boxes``.

    Name, protocol and splits are those of the images; ``root`` is their folder.

    Attributes:
        images: the dataset.
        boxes: the file, with an entry for every image that is used.
        min_score: boxes with a lower score are left out.
    """

    wrapped = "images"

    images: Adapter = field(default_factory=ImageNetSample)
    boxes: Path | None = None
    min_score: Share = MIN_SCORE

    @property
    def planes(self) -> frozenset[str]:
        """Those of the images, and boxes."""
        return self.images.planes | {"boxes"}

    def split(self, name: SplitName) -> Source:
        """The images of a split with their boxes.

        Raises:
            DataError: the images are not there, no file of boxes is named, or one that is not
                what it should be.
        """
        if self.boxes is None:
            raise DataError(
                f"{self.name}: no file of boxes is named; give one (--data.boxes, or --boxes), "
                "which `crosschroma data boxes` writes"
            )
        boxes = read_boxes(self.boxes, self.min_score)
        return BoxedSource(self._rooted().split(name), boxes, str(self.boxes))

    def rootless(self) -> Self:
        """Without folder and file."""
        return replace(super().rootless(), boxes=None)
