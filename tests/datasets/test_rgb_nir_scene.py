"""RGB-NIR Scene: the fixed split, partial downloads, every kind of NIR file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from crosschroma.datasets.audit import check_dataset
from crosschroma.datasets.base.adapter import SplitName
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.datasets.files.adapter import SPLITS
from crosschroma.datasets.rgb_nir_scene import PHOTOS, RgbNirScene


def write(root: Path, key: str, nir: np.ndarray | None = None) -> None:
    """A pair in the official layout, RGB 8x8."""
    category, number = key.split("/")
    folder = root / "nirscene1" / category
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{number}_rgb.tiff"), np.full((8, 8, 3), 50, np.uint8))
    nir = np.full((8, 8), 70, np.uint8) if nir is None else nir
    cv2.imwrite(str(folder / f"{number}_nir.tiff"), nir)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    for category in ("indoor", "street"):
        for number in range(20):
            write(tmp_path, f"{category}/{number:04d}")
    return tmp_path


def test_counts_of_the_published_set() -> None:
    assert sum(PHOTOS.values()) == 477
    assert len(PHOTOS) == 9


def test_each_ten_numbers_are_cut_seven_one_two(made: Path) -> None:
    data = RgbNirScene(root=made)
    keys = {name: list(data.split(name).keys) for name in ("train", "validation", "test")}
    assert [len(keys[name]) for name in keys] == [28, 4, 8]
    assert len({key for part in keys.values() for key in part}) == 40


def test_all_photos_as_test_images(made: Path) -> None:
    listed = RgbNirScene(root=made)
    everything = listed.with_protocol("rgb-nir-scene-all")
    assert everything.protocol == "rgb-nir-scene-all"
    assert everything.with_protocol("rgb-nir-scene") == listed
    keys = {key for name in SPLITS for key in listed.split(name).keys}
    assert set(everything.split("test").keys) == keys
    assert len(everything.split("test")) > len(listed.split("test"))
    splits: tuple[SplitName, ...] = ("train", "validation")
    for name in splits:
        with pytest.raises(DataError, match=f"rgb-nir-scene-all keeps no images for {name}"):
            everything.split(name)
    assert set(everything.audit_splits()) == {"test"}
    assert not everything.has_validation
    with pytest.raises(UserError, match="rgb-nir-scene-all"):
        listed.with_protocol("rgb-nir-scene-al")


def test_a_photo_keeps_its_split_when_others_are_absent(made: Path, tmp_path: Path) -> None:
    everything = set(RgbNirScene(root=made).split("test").keys)
    indoor = set(RgbNirScene(root=made, categories=("indoor",)).split("test").keys)
    assert indoor == {key for key in everything if key.startswith("indoor/")}


@pytest.mark.parametrize(
    ("nir", "level"),
    [
        (np.full((8, 8), 70, np.uint8), 70),
        (np.full((8, 8, 3), 70, np.uint8), 70),
        (np.full((8, 8), 70 * 257, np.uint16), 70),
        (np.full((8, 8, 3), 70 * 257, np.uint16), 70),
    ],
    ids=["8 bit", "8 bit x3", "16 bit", "16 bit x3"],
)
def test_nir_of_one_or_three_channels_and_8_or_16_bits(tmp_path: Path, nir, level: int) -> None:
    for number in range(10):
        write(tmp_path, f"water/{number:04d}", nir)
    plane = RgbNirScene(root=tmp_path).split("test").load(0)["nir"]
    assert plane.dtype == np.uint8
    assert plane.shape == (8, 8)
    assert (plane == level).all()


def test_missing_half_of_a_pair(made: Path) -> None:
    (made / "nirscene1" / "indoor" / "0000_nir.tiff").unlink()
    data = RgbNirScene(root=made)
    broken = []
    for name in ("train", "validation", "test"):
        try:
            data.split(name)
        except DataError as error:
            broken.append(str(error))
    assert len(broken) == 1
    assert "1 files" in broken[0]
    assert "indoor/0000_nir.tiff" in broken[0]


def test_check_tells_what_is_absent(made: Path) -> None:
    write(made, "street/0123")
    report = check_dataset(RgbNirScene(root=made))
    assert report.ok
    text = str(report)
    assert "indoor: 20 of 56 photos" in text
    assert "absent categories: country, field" in text
    assert "in no split list, so not used: street/0123" in text
    assert "do not report VCIP" in text


def test_short_suffix(tmp_path: Path) -> None:
    for number in range(10):
        write(tmp_path, f"water/{number:04d}")
    for path in (tmp_path / "nirscene1" / "water").iterdir():
        path.rename(path.with_suffix(".tif"))
    assert len(RgbNirScene(root=tmp_path).split("train")) == 7


def test_errors_name_the_layout(made: Path) -> None:
    with pytest.raises(UserError, match="did you mean street"):
        RgbNirScene(categories=("stret",))
    with pytest.raises(DataError, match=r"no folder .*nirscene1/urban; expected nirscene1/"):
        RgbNirScene(root=made, categories=("urban",)).split("train")
    with pytest.raises(DataError, match=r"no folder .*<category>; expected nirscene1/"):
        RgbNirScene(root=made / "nirscene1").split("train")


def test_real_sample(shared_data: Path) -> None:
    data = RgbNirScene(root=shared_data / "rgb_nir_scene")
    sizes = [len(data.split(name)) for name in ("train", "validation", "test")]
    assert sizes == [31, 3, 6]
    planes = data.split("test").load(0)
    assert planes["rgb"].shape == (256, 256, 3)
    assert planes["nir"].shape == (256, 256)
