"""Several datasets in one training: every image once, validation and test of the first alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from crosschroma.datasets.base.errors import DataError
from crosschroma.datasets.bsds500 import Bsds500
from crosschroma.datasets.files.folder import Folder
from crosschroma.datasets.imagenet import ImageNetSample
from crosschroma.datasets.loading.cache import cached
from crosschroma.datasets.mixtures.union import ChainedSource, Union
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.datasets.vcip import Vcip


@pytest.fixture
def data(tmp_path: Path) -> Union:
    """20 photos and 2 for testing in the first, 3 in the second; red tells which image it is."""
    level = 0
    for part, count in (("imagenet/train/n1", 20), ("imagenet/val/n1", 2), ("bsds/train", 3)):
        (tmp_path / part).mkdir(parents=True)
        for number in range(count):
            picture = np.zeros((16, 24, 3), np.uint8)
            picture[..., 2] = level = level + 10
            cv2.imwrite(str(tmp_path / part / f"{number:02d}.jpg"), picture)
    return Union(
        first=ImageNetSample(root=tmp_path / "imagenet"), others=(Bsds500(root=tmp_path / "bsds"),)
    )


def test_training_shows_every_image_of_all_once(data: Union, tmp_path: Path) -> None:
    train = data.split("train")
    first, second = data.first.split("train"), data.others[0].split("train")
    assert len(train) == len(train.keys) == len(first) + len(second) == 18 + 3
    assert len(set(train.keys)) == len(train)
    for index, key in enumerate(train.keys):
        own = index - len(first)
        source, at = (first, index) if own < 0 else (second, own)
        assert key == f"{'imagenet-sample' if own < 0 else 'bsds500'}/{source.keys[at]}"
        assert train.stamp(index) == source.stamp(at)
        assert np.array_equal(train.load(index)["rgb"], source.load(at)["rgb"])
    again = cached(train, tmp_path, "several")
    assert all(
        np.array_equal(again.load(i)["rgb"], train.load(i)["rgb"]) for i in range(len(train))
    )


def test_validation_and_test_are_those_of_the_first_alone(data: Union) -> None:
    for name in ("validation", "test"):
        assert list(data.split(name).keys) == list(data.first.split(name).keys)
    assert len(data.split("test")) == 2
    assert not set(data.split("validation").keys) & {
        key.removeprefix("imagenet-sample/") for key in data.split("train").keys
    }


def test_it_is_named_as_the_first_and_says_what_it_learns_from(data: Union) -> None:
    assert (data.name, data.protocol) == ("imagenet-sample", "imagenet-sample")
    assert data.planes == {"rgb"}
    assert data.train_data == "imagenet-sample train + bsds500 train"
    assert list(data.audit_splits())[-1] == "train of bsds500"
    bare = data.rootless()
    assert bare.first.root is None
    assert bare.others[0].root is None


def test_root_is_the_folder_of_the_first(data: Union, tmp_path: Path) -> None:
    moved = replace(data, first=ImageNetSample(root=tmp_path / "absent"), root=data.first.root)
    assert list(moved.split("train").keys) == list(data.split("train").keys)


def test_images_have_the_planes_of_the_first_alone(data: Union) -> None:
    mixed = replace(data, others=(Scenes(size=32, count_train=2),)).split("train")
    assert set(Scenes(size=32).split("train").load(0)) > {"rgb"}
    assert {frozenset(mixed.load(index)) for index in range(len(mixed))} == {frozenset({"rgb"})}


def test_a_missing_folder_of_any_is_said(data: Union, tmp_path: Path) -> None:
    absent = replace(data, others=(Bsds500(root=tmp_path / "absent"),))
    with pytest.raises(DataError, match="bsds500: no folder"):
        absent.base()
    with pytest.raises(DataError, match="bsds500: no folder"):
        absent.split("train")


def test_what_does_not_go_together() -> None:
    with pytest.raises(DataError, match="each dataset may be joined once"):
        Union(first=Bsds500(), others=(Bsds500(min_chroma=5),))
    with pytest.raises(DataError, match="folder has no nir, which images of vcip have"):
        Union(first=Vcip(), others=(Folder(),))
    with pytest.raises(DataError, match="no datasets"):
        ChainedSource({}, frozenset())
