"""Boxes of objects: order, files, and any dataset with the boxes of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crosschroma.datasets.base.adapter import Adapter
from crosschroma.datasets.base.boxes import largest_first, read_boxes, write_boxes
from crosschroma.datasets.base.errors import DataError
from crosschroma.datasets.mixtures.with_boxes import WithBoxes
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.experiments.settings import from_plain, to_plain

TINY = Scenes(size=32, count_train=2, count_validation=1, count_test=1)
KEYS = ("train/00000", "train/00001", "validation/00000", "test/00000")


def test_the_largest_come_first_and_equal_ones_as_they_were() -> None:
    small, wide, tall = (0, 0, 2, 2), (5, 5, 9, 7), (1, 1, 3, 5)
    assert largest_first([small, wide, tall]) == (wide, tall, small)
    assert largest_first([tall, small, wide]) == (tall, wide, small)


def test_boxes_are_ordered_by_score_and_without_one_by_area(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(
        '{"a": [[0, 0, 9, 9, 0.5], [0, 0, 1.5, 1, 0.9], [0, 0, 2, 2, 0.2]],'
        ' "b": [[0, 0, 1, 1], [0, 0, 3, 3], [0, 0, 9, 9, 0.99]], "c": []}'
    )
    assert read_boxes(path) == {
        "a": ((0, 0, 1.5, 1), (0, 0, 9, 9), (0, 0, 2, 2)),
        "b": ((0, 0, 3, 3), (0, 0, 1, 1), (0, 0, 9, 9)),
        "c": (),
    }
    assert read_boxes(path, 0.5)["a"] == ((0, 0, 1.5, 1), (0, 0, 9, 9))
    assert read_boxes(path, 1.0)["b"] == ((0, 0, 3, 3), (0, 0, 1, 1))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    write_boxes(path, {'a "b"/ä.jpg': [(1.25, 2, 3, 4, 0.875), (1, 1, 2, 2)], "none": []})
    assert read_boxes(path) == {'a "b"/ä.jpg': ((1, 1, 2, 2), (1.25, 2, 3, 4)), "none": ()}
    write_boxes(path, {})
    assert read_boxes(path) == {}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('{"a": [[1, 2, 3', r"boxes\.json is not a file of boxes, as it is no JSON"),
        ("[]", r"boxes\.json: boxes are an object"),
        ('{"a": 3}', "a: must be a list of boxes"),
        ('{"a": [[1, 1, 3, 3], [1, 2, 3]]}', r"a: box 2: \[1, 2, 3\]: must be x1, y1, x2, y2"),
        ('{"a": [[1, 1, 3, "3"]]}', "box 1: .*as numbers"),
        ('{"a": [[1, 1, 3, true]]}', "box 1: .*as numbers"),
        ('{"a": [[1, 1, 3, NaN]]}', "box 1: .*as numbers"),
        ('{"a": [{"x": 1}]}', "box 1: .*as numbers"),
        ('{"a": [[50, 50, 20, 30]]}', "box 1: .*has no area; .*not width and height"),
    ],
)
def test_what_is_no_file_of_boxes(tmp_path: Path, content: str, text: str) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(content)
    with pytest.raises(DataError, match=text):
        read_boxes(path)


def test_no_file_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="crosschroma data boxes"):
        read_boxes(tmp_path / "none.json")


def boxed(tmp_path: Path, **entries: list) -> WithBoxes:
    path = tmp_path / "boxes.json"
    write_boxes(path, {key: entries.get(key.replace("/", "_"), []) for key in KEYS})
    return WithBoxes(images=TINY, boxes=path)


def test_a_dataset_has_the_boxes_of_the_file(tmp_path: Path) -> None:
    given = [[-3, 2, 90, 8, 0.9], [1, 1, 5, 5, 0.69], [40, 40, 50, 50, 0.8]]
    data = boxed(tmp_path, train_00001=given)
    train = data.split("train")
    assert list(train.keys) == list(TINY.split("train").keys)
    planes, plain = train.load(1), TINY.split("train").load(1)
    assert planes["boxes"].tolist() == [[0, 2, 32, 8]]  # cut; below 0.7; outside
    assert planes["boxes"].dtype == np.float32
    assert np.array_equal(planes["rgb"], plain["rgb"])
    assert train.load(0)["boxes"].shape == (0, 4)
    assert (data.name, data.protocol) == ("scenes", TINY.protocol)
    assert len(data.split("validation")) == len(data.split("test")) == 1
    lower = replace(data, min_score=0.5).split("train")
    assert len(lower.load(1)["boxes"]) == 2
    assert lower.stamp(1) != train.stamp(1)
    assert lower.stamp(0) == train.stamp(0)


def test_pictures_that_the_file_lacks_are_named(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    write_boxes(path, {"test/00000": []})
    data = WithBoxes(images=TINY, boxes=path)
    assert len(data.split("test")) == 1
    with pytest.raises(DataError, match=r"boxes\.json has no entry for train/00000 and 1 more"):
        data.split("train")


def test_settings_survive_and_folders_are_left_out(tmp_path: Path) -> None:
    data = boxed(tmp_path)
    assert from_plain(to_plain(data), Adapter) == data
    assert str(tmp_path) not in str(to_plain(data.rootless()))
    with pytest.raises(DataError, match="no file of boxes is named"):
        data.rootless().split("test")
