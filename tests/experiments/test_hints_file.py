"""Hints files: what comes back, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from crosschroma.datasets.errors import DataError
from crosschroma.experiments.hints_file import hints_from_plain, read_hints, write_hints
from crosschroma.models.hints import HintPoint


def test_points_come_back(tmp_path: Path) -> None:
    points = [HintPoint(x=3, y=4.5, a=-20, b=35.25, size=9), HintPoint(x=0, y=0, a=0, b=0)]
    for written in (points, []):
        write_hints(tmp_path / "hints.json", written)
        assert read_hints(tmp_path / "hints.json") == written


def test_colours_may_be_rgb_and_sizes_left_out() -> None:
    [red, gray] = hints_from_plain(
        [{"x": 1, "y": 2, "rgb": [255, 0, 0]}, {"x": 1, "y": 2, "rgb": [90, 90, 90], "size": 1}],
        "hints",
    )
    assert (red.a, red.b) == pytest.approx((80.09, 67.20), abs=0.02)
    assert (gray.a, gray.b) == pytest.approx((0, 0), abs=0.01)
    assert (red.size, gray.size) == (5, 1)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"x": 1}, "hints are a list of points"),
        ([[1, 2]], r"point 1: \[1, 2\] is no object"),
        ([{"x": 1, "y": 1, "rgb": [1, 2, 3]}, {"x": 1, "rgb": [1, 2, 3]}], "point 2: no y;"),
        ([{"x": 1, "y": 1}], "point 1: no a, b; a point has x, y and either rgb or a and b"),
        ([{"x": 1, "y": 1, "a": 1, "b": 1, "rgb": [1, 2, 3]}], "both rgb and a, b"),
        ([{"x": 1, "y": 1, "rgb": [1, 2, 256]}], r"rgb \[1, 2, 256\]: must be three whole"),
        ([{"x": 1, "y": 1, "rgb": [1, 2]}], r"rgb \[1, 2\]"),
        ([{"x": 1, "y": 1, "rgb": [1, 2, 0.5]}], "rgb"),
        ([{"x": 1, "y": 1, "rgb": "#ff0000"}], 'rgb "#ff0000"'),
        ([{"x": "1", "y": 1, "a": 1, "b": 1}], 'x "1": must be a number'),
        ([{"x": True, "y": 1, "a": 1, "b": 1}], "x true"),
        ([{"x": 1, "y": 1, "a": 1, "b": 1, "sise": 3}], "unknown key 'sise'; did you mean size"),
        ([{"x": 1, "y": 1, "a": 1, "b": 1, "size": 30}], "point 1: hint: size 30"),
        ([{"x": -1, "y": 1, "a": 1, "b": 1}], "point 1: hint: x -1"),
    ],
)
def test_what_is_no_hint_is_named(data: object, text: str, tmp_path: Path) -> None:
    path = tmp_path / "hints.json"
    path.write_text(json.dumps(data))
    with pytest.raises(DataError, match=text) as error:
        read_hints(path)
    assert str(error.value).startswith(str(path))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "hints.json"
    with pytest.raises(DataError, match=r"cannot read the hints in .*hints\.json: .*No such file"):
        read_hints(path)
    for content in (b"[{", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"cannot read the hints in .*hints\.json"):
            read_hints(path)
