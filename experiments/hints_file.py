"""Hints of a picture as a JSON file: a list of points and the colours they are to have.

    [{"x": 120, "y": 64, "rgb": [180, 60, 40], "size": 5}, {"x": 10, "y": 200, "a": -20, "b": 35}]

``x`` and ``y`` are pixels of the picture; the colour is ``rgb`` (8-bit sRGB, whose luminance does
not count) or CIE ``a`` and ``b``; ``size`` (1 to 9, default 5) is the side of the coloured square
in pixels of the picture as the network sees it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.atomic import write_text_atomic
from ..datasets.color import lab_from_uint8
from ..datasets.errors import DataError, UserError, unknown
from ..models.hints import HintPoint

_KEYS = {field.name for field in fields(HintPoint)} | {"rgb"}


def read_hints(path: Path) -> list[HintPoint]:
    """The points of a hints file, in its order.

    Raises:
        DataError: no such file, not JSON, or a point that is none, by its number from 1.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the hints in {path}: {error}") from error
    return hints_from_plain(data, str(path))


def write_hints(path: Path, points: Sequence[HintPoint]) -> None:
    """Write points with their a and b, one a line; atomic."""
    lines = ",\n".join(f" {json.dumps(asdict(point))}" for point in points)
    write_text_atomic(path, f"[\n{lines}\n]\n" if points else "[]\n")


def hints_from_plain(data: Any, where: str) -> list[HintPoint]:
    """Points from decoded JSON.

    Args:
        data: see the module.
        where: what holds it, for error texts.

    Raises:
        DataError: as ``read_hints``.
    """
    if not isinstance(data, list):
        raise DataError(f'{where}: hints are a list of points [{{"x": .., "y": .., "rgb": [..]}}]')
    points = []
    for number, entry in enumerate(data, 1):
        try:
            points.append(_point(entry))
        except UserError as error:
            raise DataError(f"{where}: point {number}: {error}") from error
    return points


def _point(entry: Any) -> HintPoint:
    if not isinstance(entry, dict):
        raise DataError(f'{json.dumps(entry)} is no object {{"x": .., "y": .., "rgb": [..]}}')
    if surplus := sorted(entry.keys() - _KEYS):
        raise DataError(unknown("key", surplus[0], _KEYS))
    values = dict(entry)
    if "rgb" in values:
        if values.keys() & {"a", "b"}:
            raise DataError("both rgb and a, b; give one of them")
        values["a"], values["b"] = _ab_of(values.pop("rgb"))
    missing = [name for name in ("x", "y", "a", "b") if name not in values]
    if missing:
        raise DataError(f"no {', '.join(missing)}; a point has x, y and either rgb or a and b")
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise DataError(f"{name} {json.dumps(value)}: must be a number")
    return HintPoint(**values)


def _ab_of(rgb: Any) -> tuple[float, float]:
    whole = isinstance(rgb, list) and all(type(level) is int for level in rgb)
    if not (whole and len(rgb) == 3 and all(0 <= level <= 255 for level in rgb)):
        raise DataError(f"rgb {json.dumps(rgb)}: must be three whole numbers from 0 to 255")
    _, a, b = lab_from_uint8(np.array(rgb, np.uint8).reshape(1, 1, 3)).ravel().tolist()
    return a, b
