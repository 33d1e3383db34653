"""Boxes of objects: their order, and a JSON file of them for any pictures.

    {"street/001.jpg": [[12, 40, 118, 200, 0.98], [0, 7.5, 30, 90]], "sky.jpg": []}

The key is that of the picture in its dataset: its path below the folder. A box is x1, y1, x2, y2 in
pixels of the picture as stored (x2 and y2 exclusive), then, where it was detected, a score.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .atomic_write import write_text_atomic
from .bounds import AnyNumber
from .errors import DataError
from .json_file import read_json
from .typed_values import MisfitError, checked, shown

Box = tuple[AnyNumber, AnyNumber, AnyNumber, AnyNumber]
MIN_SCORE = 0.7  # of boxes that count, unless told: that of Su et al. 2020


def largest_first(boxes: Iterable[Box]) -> tuple[Box, ...]:
    """By area; boxes of equal area keep their order."""
    return tuple(sorted(boxes, key=lambda box: -_area(box)))


def cut_boxes(boxes: np.ndarray, top: float, left: float, height: int, width: int) -> np.ndarray:
    """What is left of boxes, K x 4, in a part of their picture and in its pixels, a pixel at least.

    Args:
        boxes: xyxy.
        top: row of the boxes' pixels at which the part begins.
        left: column likewise.
        height: of the part.
        width: likewise.
    """
    moved = np.clip(boxes - [left, top, left, top], 0, [width, height, width, height])
    return moved[(moved[:, 2:] - moved[:, :2] >= 1).all(axis=1)].astype(np.float32)


def boxes_outside(boxes: Iterable[Box], height: int, width: int) -> list[Box]:
    """Those of which nothing lies within their picture."""
    return [box for box in boxes if box[0] >= width or box[1] >= height or min(box[2:]) <= 0]


def read_boxes(path: Path, min_score: float = 0.0) -> dict[str, tuple[Box, ...]]:
    """The boxes of each picture, by key: the best scores first, those without a score by area.

    Args:
        path: see the module.
        min_score: boxes with a lower score are left out; a box without one always counts.

    Raises:
        DataError: no such file, no JSON, or what is none of the above, by key and number from 1.
    """
    data = read_json(path, Any, "file of boxes", "`crosschroma data boxes` writes such a file")
    if not isinstance(data, dict):
        raise DataError(f'{path}: boxes are an object {{"PICTURE": [[x1, y1, x2, y2], ..], ..}}')
    return {key: _ordered(value, f"{path}: {key}", min_score) for key, value in data.items()}


def write_boxes(path: Path, boxes: Mapping[str, Sequence[Sequence[float]]]) -> None:
    """Write boxes of four or five numbers by their pictures' keys, a picture a line; atomic."""
    rounded = {key: [[round(v, 3) for v in box] for box in some] for key, some in boxes.items()}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(some)}" for key, some in rounded.items())
    write_text_atomic(path, f"{{\n{lines}\n}}\n")


def _ordered(value: Any, where: str, min_score: float) -> tuple[Box, ...]:
    if not isinstance(value, list):
        raise DataError(f"{where}: must be a list of boxes, empty where there is no object")
    scored = [_scored(entry, f"{where}: box {n}") for n, entry in enumerate(value, 1)]
    kept = [(box, score) for box, score in scored if score >= min_score]
    kept.sort(key=lambda found: (-found[1], -_area(found[0])))
    return tuple(box for box, _ in kept)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _scored(entry: Any, where: str) -> tuple[Box, float]:
    """A box and its score, which is infinite where none is given."""
    text = shown(entry)
    try:
        checked(entry, list[float], plain=True)
    except MisfitError:
        entry = None
    if entry is None or len(entry) not in (4, 5):
        raise DataError(f"{where}: {text}: must be x1, y1, x2, y2 and perhaps a score, as numbers")
    x1, y1, x2, y2 = map(float, entry[:4])
    if x1 >= x2 or y1 >= y2:
        raise DataError(
            f"{where}: {text}: has no area; x2 must be beyond x1 and y2 beyond y1 "
            "(corners, not width and height)"
        )
    if x2 <= 1 and y2 <= 1 and any(value % 1 for value in entry[:4]):
        raise DataError(
            f"{where}: {text}: lies within one pixel; boxes are in pixels, not in "
            "parts of the picture"
        )
    return (x1, y1, x2, y2), float(entry[4]) if len(entry) == 5 else math.inf
