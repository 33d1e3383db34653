"""Hints files: what comes back, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.experiments.artifacts.checkpoint import load_trained
from crosschroma.experiments.inference.color_network import Origin
from crosschroma.experiments.inference.hints_file import (
    Hints,
    hints_from_plain,
    hints_text,
    read_hints,
)
from crosschroma.experiments.inference.palette import Palette
from crosschroma.models.color.hint_points import HintPoint
from PIL import Image

POINTS = (HintPoint(x=3, y=4.5, a=-20, b=35.25, size=9), HintPoint(x=0, y=0, a=0, b=0))
ORIGIN = Origin(run="/runs/one/best.pt", weights_sha256="ab", output="nir", size=256)


def palette() -> Palette:
    levels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    return Palette.of(levels, "sunset.jpg")


@pytest.mark.parametrize(
    "hints",
    [
        Hints(),
        Hints(points=POINTS),
        Hints(
            points=POINTS,
            palette=palette(),
            strength=0.0,
            picture=(640, 480),
            name="a.jpg",
            method=ORIGIN,
        ),
    ],
)
def test_what_is_written_comes_back(hints: Hints, tmp_path: Path) -> None:
    path = tmp_path / "hints.json"
    path.write_text(hints_text(hints))
    assert read_hints(path) == hints


def test_hints_of_another_picture_or_of_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (30, 20)).save(path)
    Hints().check_picture(path)
    Hints(picture=(30, 20)).check_picture(path)
    with pytest.raises(DataError, match=r"a\.png is 30 wide and 20 high.* of 20 and 30 \(b\.jpg\)"):
        Hints(picture=(20, 30), name="b.jpg").check_picture(path)


def test_hints_load_shipped_weights_and_files_with_their_hash_alone(hint_painter: Path) -> None:
    path = hint_painter / "best.pt"
    digest = load_trained(path).weights_sha256
    origin = Origin(run=str(path), weights_sha256=digest, size=48)
    colorizer = Hints(method=origin).colorizer("result", "cpu")
    assert colorizer.origin == replace(origin, run=str(path.resolve()))
    assert Hints(method=origin).colorizer("result", "cpu", size=40).size == 40
    with pytest.raises(UserError, match=r"the hints name .*best\.pt, whose weights are not those"):
        Hints(method=replace(origin, weights_sha256="cd")).colorizer("result", "cpu")
    with pytest.raises(UserError, match="name no method"):
        Hints().colorizer("result", "cpu")
    for name, text in {"hf://a/b@main": "download nothing", "x.ts": "never start one"}.items():
        with pytest.raises(UserError, match=text):
            Hints(method=replace(origin, run=name)).colorizer("result", "cpu")
    shipped = Origin(run="zhang16_photos", weights_sha256="")
    with pytest.raises(UserError, match="zhang16_photos, whose weights are not those"):
        Hints(method=shipped).colorizer("result", "cpu")


def test_colours_may_be_rgb_and_sizes_left_out() -> None:
    [red, gray] = hints_from_plain(
        [{"x": 1, "y": 2, "rgb": [255, 0, 0]}, {"x": 1, "y": 2, "rgb": [90, 90, 90], "size": 1}],
        "hints",
    ).points
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
        ([{"x": 1, "y": 1, "rgb": [1, 2, 256]}], r"rgb\[2\]: 256: must be 0 to 255"),
        ([{"x": 1, "y": 1, "rgb": [1, 2]}], r"rgb: \[1, 2\]: must be a list of 3"),
        ([{"x": 1, "y": 1, "rgb": [1, 2, 0.5]}], "rgb"),
        ([{"x": 1, "y": 1, "rgb": "#ff0000"}], "rgb: '#ff0000': must be a list"),
        ([{"x": "1", "y": 1, "a": 1, "b": 1}], "x: '1': must be a finite number"),
        ([{"x": True, "y": 1, "a": 1, "b": 1}], "x: True: must be a finite number"),
        ([{"x": 1, "y": 1, "a": 1, "b": 1, "sise": 3}], "unknown key 'sise'; did you mean size"),
        ([{"x": 1, "y": 1, "a": 1, "b": 1, "size": 30}], "point 1: hint: size 30"),
        ([{"x": -1, "y": 1, "a": 1, "b": 1}], "point 1: hint: x -1"),
        ([{"x": 10**400, "y": 1, "a": 1, "b": 1}], "point 1: x: 1000.*must be a finite number"),
        ({"points": 3}, "hints are a list of points"),
        ({"points": [], "pallette": {}}, "unknown key 'pallette'; did you mean palette"),
        ({"points": [], "strength": "1"}, "strength: '1': must be a finite number"),
        ({"points": [], "picture": [3]}, r"picture: \[3\]: must be a list of 2"),
        ({"points": [], "picture": [3, True]}, "True: must be a whole number"),
        ({"points": [], "name": 3}, "name: 3: must be a text"),
        ({"points": [], "palette": []}, "the palette is no object with histogram"),
        ({"points": [], "palette": {"saturation": 1}}, "the palette has no histogram, ab_mean"),
        ({"points": [], "method": {"run": "a"}}, "method: no weights_sha256"),
        (
            {"points": [], "method": {"run": 1, "weights_sha256": ""}},
            r"method\.run: 1: must be",
        ),
        (
            {"points": [], "method": {"run": "", "weights_sha256": "", "size": 0.5}},
            r"size: 0\.5: must",
        ),
        ({"points": [], "method": {"shell": "rm"}}, "method: unknown key 'shell'"),
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
    with pytest.raises(DataError, match=r"cannot read the hints file .*hints\.json: No such file"):
        read_hints(path)
    for content in (b"[{", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"hints\.json is not a hints file"):
            read_hints(path)
