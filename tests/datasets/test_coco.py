"""COCO: boxes, crowds, images without objects, images that are listed but not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from crosschroma.datasets.audit import check_dataset
from crosschroma.datasets.base.errors import DataError
from crosschroma.datasets.coco import Coco


def instances(count: int, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    images = [
        {"id": n, "file_name": f"{n:012d}.jpg", "width": 32, "height": 24} for n in range(count)
    ]
    return {"images": images, "annotations": annotations}


def box(image: int, *xywh: float, crowd: int = 0) -> dict[str, Any]:
    return {"image_id": image, "bbox": list(xywh), "iscrowd": crowd}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    boxes = [
        box(0, 2, 3, 10, 5),
        box(0, 0, 0, 32, 24, crowd=1),
        box(1, 28, 20, 10, 10),  # leaves the image
        box(1, 5, 5, 0, 4),  # no area
    ]
    for part, count in (("train2017", 20), ("val2017", 3)):
        (tmp_path / part).mkdir()
        (tmp_path / "annotations").mkdir(exist_ok=True)
        path = tmp_path / "annotations" / f"instances_{part}.json"
        path.write_text(json.dumps(instances(count, boxes)))
        for n in range(count):
            jpeg = cv2.imencode(".jpg", np.full((24, 32, 3), 10 * n, np.uint8))[1]
            (tmp_path / part / f"{n:012d}.jpg").write_bytes(jpeg.tobytes())
    return tmp_path


def test_boxes_are_corners_within_the_image(made: Path) -> None:
    test = Coco(root=made).split("test")
    assert test.keys[0] == "val2017/000000000000.jpg"
    assert test.load(0)["boxes"].tolist() == [[2, 3, 12, 8]]
    assert test.load(1)["boxes"].tolist() == [[28, 20, 32, 24]]
    assert test.load(0)["boxes"].dtype == np.float32


def test_image_without_objects_is_kept_with_no_boxes(made: Path) -> None:
    test = Coco(root=made).split("test")
    assert len(test) == 3
    assert test.load(2)["boxes"].shape == (0, 4)


def test_crowds_on_request(made: Path) -> None:
    test = Coco(root=made, crowd=True).split("test")
    assert test.load(0)["boxes"].tolist() == [[0, 0, 32, 24], [2, 3, 12, 8]]


def test_validation_is_cut_from_train(made: Path) -> None:
    data = Coco(root=made)
    train, validation = data.split("train").keys, data.split("validation").keys
    assert (len(train), len(validation)) == (18, 2)
    assert len({*train, *validation}) == 20


def test_missing_images_are_named_or_left_out(made: Path) -> None:
    before = Coco(root=made)
    held = list(before.split("validation").keys)
    for key in ("val2017/000000000001.jpg", before.split("train").keys[0]):
        (made / key).unlink()
    with pytest.raises(DataError, match=r"1 files of test are missing: .*000000000001\.jpg"):
        before.split("test")
    data = Coco(root=made, allow_missing=True)
    assert [key[-5] for key in data.split("test").keys] == ["0", "2"]
    assert len(data.split("train")) == 17
    assert list(data.split("validation").keys) == held
    text = str(check_dataset(data))
    assert "train2017: 1 of 20 listed images are not there" in text
    assert "val2017: 1 of 3 listed images are not there" in text
    assert "1 files missing" in str(check_dataset(before))


def test_changed_annotations_are_read_again(made: Path) -> None:
    assert len(Coco(root=made).split("test")) == 3
    path = made / "annotations" / "instances_val2017.json"
    path.write_text(json.dumps(instances(2, [])))
    assert len(Coco(root=made).split("test")) == 2


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ('{"images": [', r"instances_val2017\.json is not a COCO instances file"),
        ('{"images": []}', "no annotations"),
        ("[1]", "not a COCO instances file"),
        (
            json.dumps({**instances(1, []), "images": 2 * instances(1, [])["images"]}),
            r"lists .* twice; keep one",
        ),
        (json.dumps(instances(1, [box(0, 1, 1)])), "not a COCO instances file"),
    ],
)
def test_bad_annotations(made: Path, content: str, error: str) -> None:
    (made / "annotations" / "instances_val2017.json").write_text(content)
    with pytest.raises(DataError, match=error):
        Coco(root=made).split("test")


def test_annotations_of_images_that_are_not_listed_are_named(made: Path) -> None:
    path = made / "annotations" / "instances_val2017.json"
    path.write_text(json.dumps(instances(1, [box(7, 1, 1, 2, 2)])))
    assert len(Coco(root=made).split("test")) == 1
    assert any("1 annotations belong to images" in note for note in Coco(root=made).notes())


def test_sizes_that_are_not_those_of_the_file_are_named(made: Path) -> None:
    path = made / "annotations" / "instances_val2017.json"
    content = instances(1, [])
    content["images"][0]["width"] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="the boxes do not fit"):
        Coco(root=made).split("test").load(0)


def test_missing_annotations_name_the_layout(made: Path) -> None:
    (made / "annotations" / "instances_val2017.json").unlink()
    with pytest.raises(DataError, match=r"no file .*instances_val2017\.json; expected train2017/"):
        Coco(root=made).split("test")
