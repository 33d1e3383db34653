"""ImageNet, its sample and BSDS500: folders, lists, held-out images, near-gray photos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from crosschroma.datasets.base.errors import DataError
from crosschroma.datasets.bsds500 import Bsds500
from crosschroma.datasets.imagenet import ImageNet, ImageNetSample

COLOURS = np.array([[40, 60, 200], [40, 200, 60]], np.uint8)
PHOTO = np.repeat(np.repeat(COLOURS[None], 8, axis=0), 8, axis=1)  # 8 x 16, two colours
GRAY = np.full((8, 16, 3), 120, np.uint8)


def write(path: Path, image: np.ndarray = PHOTO) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".jpg", image)[1].tobytes())


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Class folders for training, a flat ``val`` of 20."""
    for wnid in ("n01", "n02"):
        for number in range(20):
            write(tmp_path / "train" / wnid / f"{wnid}_{number}.JPEG")
    for number in range(1, 21):
        write(tmp_path / "val" / f"ILSVRC2012_val_{number:08d}.JPEG")
    return tmp_path


def test_validation_is_a_tenth_of_train_and_test_is_val(made: Path) -> None:
    data = ImageNet(root=made)
    train, validation = data.split("train").keys, data.split("validation").keys
    assert (len(train), len(validation)) == (36, 4)
    assert not set(train) & set(validation)
    assert all(key.startswith("train/n0") for key in (*train, *validation))
    test = data.split("test")
    assert test.keys[0] == "val/ILSVRC2012_val_00000001.JPEG"
    assert len(test) == 20
    assert test.load(0)["rgb"].shape == (8, 16, 3)
    assert data.protocol == "imagenet"


def test_held_out_photos_never_change(made: Path) -> None:
    assert ImageNet(root=made).split("validation").keys == [
        "train/n01/n01_14.JPEG",
        "train/n01/n01_17.JPEG",
        "train/n02/n02_14.JPEG",
        "train/n02/n02_17.JPEG",
    ]


def test_npy_list_of_zero_based_indices(made: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "ctest.npy", np.array([4, 0, 19]))
    data = ImageNet(root=made, val_list=tmp_path / "ctest.npy")
    assert [int(key[-7:-5]) for key in data.split("test").keys] == [5, 1, 20]
    assert data.protocol == "imagenet ctest"
    assert data.train_data == "imagenet train"
    assert len(data.split("train")) == 36


def test_indices_find_photos_in_class_folders(made: Path, tmp_path: Path) -> None:
    for path in sorted((made / "val").iterdir()):
        write(made / "val" / "n01" / path.name)
        path.unlink()
    np.save(tmp_path / "list.npy", np.array([[2], [3]], np.uint16))
    keys = ImageNet(root=made, val_list=tmp_path / "list.npy").split("test").keys
    assert keys == ["val/n01/ILSVRC2012_val_00000003.JPEG", "val/n01/ILSVRC2012_val_00000004.JPEG"]


def test_text_list_of_paths_and_indices(made: Path, tmp_path: Path) -> None:
    lines = [
        "val/ILSVRC2012_val_00000002.JPEG",
        "ILSVRC2012_val_00000003.JPEG 65",
        "",
        "3",
    ]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    keys = ImageNet(root=made, val_list=tmp_path / "list.txt").split("test").keys
    assert [int(key[-7:-5]) for key in keys] == [2, 3, 4]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (np.array([0, 20]), r"1 files of test.*val/ILSVRC2012_val_00000021\.JPEG"),
        (np.array([50_000]), "image 50000; indices run from 0 to 49999"),
        (np.array([-1]), "image -1"),
        (np.array([1, 1]), "twice"),
        (np.array([0.5]), "float64, not the integers"),
        (np.array([{}], dtype=object), "cannot read the image list"),
    ],
)
def test_bad_list(made: Path, tmp_path: Path, content: np.ndarray, error: str) -> None:
    np.save(tmp_path / "list.npy", content, allow_pickle=True)
    with pytest.raises(DataError, match=error):
        ImageNet(root=made, val_list=tmp_path / "list.npy").split("test")


def test_missing_list_and_folders_are_named(made: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read the image list .*none\.txt"):
        ImageNet(root=made, val_list=tmp_path / "none.txt").split("test")
    with pytest.raises(DataError, match=r"no folder .*train"):
        ImageNet(root=made / "val").split("train")
    (tmp_path / "empty" / "train").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no images for train .*expected train/<wnid>"):
        ImageNet(root=tmp_path / "empty").split("train")


def test_near_gray_photos_leave_only_the_training_split(made: Path, tmp_path: Path) -> None:
    before = ImageNet(root=made)
    for name in ("train", "validation", "test"):
        write(made / before.split(name).keys[0], GRAY)
    cache = tmp_path / "ranges.json"
    data = ImageNet(root=made, min_chroma=5.0, chroma_cache=cache)
    kept = data.split("train").keys
    assert list(kept) == list(before.split("train").keys)[1:]
    assert cache.is_file()
    assert len(data.split("validation")) == 4
    assert len(data.split("test")) == 20
    assert data.train_data == "imagenet train, ab range >= 5"


def test_bsds500_folders_are_the_splits(tmp_path: Path) -> None:
    for number, part in enumerate(("train", "val", "test"), start=1):
        for photo in range(number):
            write(tmp_path / part / f"{photo}.jpg")
    data = Bsds500(root=tmp_path)
    sizes = [len(data.split(name)) for name in ("train", "validation", "test")]
    assert sizes == [1, 2, 3]
    assert data.split("validation").keys == ["val/0.jpg", "val/1.jpg"]
    (tmp_path / "val").rename(tmp_path / "valid")
    with pytest.raises(DataError, match=r"no folder .*val"):
        data.split("validation")


def test_real_photos(shared_data: Path) -> None:
    sample = ImageNetSample(root=shared_data / "imagenet_sample")
    sizes = [len(sample.split(name)) for name in ("train", "validation", "test")]
    assert sizes == [630, 70, 100]
    assert sample.protocol == "imagenet-sample"
    assert sample.split("test").load(0)["rgb"].shape == (256, 256, 3)
    bsds = Bsds500(root=shared_data / "bsds500")
    assert [len(bsds.split(name)) for name in ("train", "validation", "test")] == [200, 100, 200]
