"""File sources, folders of pictures, pairs, and the near-gray filter."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from crosschroma.datasets.base.adapter import Adapter, Record, Source
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.datasets.files import folder as module
from crosschroma.datasets.files.folder import (
    FileSource,
    Folder,
    Pairs,
    Subset,
    drop_near_gray,
    image_files,
)
from crosschroma.datasets.loading.decode import NotedPlane
from PIL import Image


def _picture(path: Path, level: int = 90, size: tuple[int, int] = (16, 12)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, 40, 200)).save(path)
    return path


def test_image_files_are_sorted_recursive_and_visible(tmp_path: Path) -> None:
    for name in ("b.png", "sub/a.JPG", "a.tiff", ".hidden.png", ".git/x.png"):
        _picture(tmp_path / name)
    (tmp_path / "notes.txt").touch()
    names = [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)]
    assert names == ["a.tiff", "b.png", "sub/a.JPG"]
    with pytest.raises(DataError, match="no folder"):
        image_files(tmp_path / "none")


def test_file_source_loads_every_plane_and_stamps_changes(tmp_path: Path) -> None:
    rgb, nir = _picture(tmp_path / "rgb.png"), tmp_path / "nir.png"
    Image.new("L", (16, 12), 77).save(nir)
    source = FileSource([Record("a", rgb=rgb, nir=nir, boxes=((1, 2, 5, 6),))])
    assert isinstance(source, Source)
    planes = source.load(0)
    assert planes["rgb"].shape == (12, 16, 3)
    assert planes["nir"].shape == (12, 16)
    assert planes["boxes"].tolist() == [[1, 2, 5, 6]]
    stamp = source.stamp(0)
    assert stamp == source.stamp(0)
    os.utime(nir, ns=(1, 1))
    assert source.stamp(0) != stamp
    nir.unlink()
    with pytest.raises(DataError, match=r"nir\.png"):
        source.stamp(0)


def test_sizes_that_differ_name_both_files(tmp_path: Path) -> None:
    rgb, nir = _picture(tmp_path / "rgb.png"), _picture(tmp_path / "nir.png", size=(12, 16))
    with pytest.raises(DataError, match=r"nir\.png is 12x16, .*rgb\.png is 16x12"):
        FileSource([Record("a", rgb=rgb, nir=nir)]).load(0)


def test_folder_hashes_names_into_disjoint_splits(tmp_path: Path) -> None:
    for index in range(60):
        _picture(tmp_path / f"{index}.png")
    adapter = Folder(root=tmp_path, validation=0.2, test=0.3)
    assert isinstance(adapter, Adapter)
    before = {name: set(adapter.split(name).keys) for name in ("train", "validation", "test")}
    assert sum(map(len, before.values())) == 60
    assert len(set.union(*before.values())) == 60
    assert min(map(len, before.values())) >= 5
    _picture(tmp_path / "another.png")
    for name in ("train", "validation", "test"):
        assert before[name] <= set(adapter.split(name).keys)
    with pytest.raises(DataError, match="in the split test"):
        Folder(root=tmp_path, test=0.0).split("test")
    with pytest.raises(UserError, match="add up"):
        Folder(root=tmp_path, validation=0.6, test=0.6)


def test_folders_that_are_named_like_splits_are_the_splits(tmp_path: Path) -> None:
    for name in ("train/a.png", "train/b.png", "val/c.png", "test/d/e.png"):
        _picture(tmp_path / name)
    adapter = Folder(root=tmp_path)
    assert adapter.split("train").keys == ["train/a.png", "train/b.png"]
    assert adapter.split("validation").keys == ["val/c.png"]
    assert adapter.split("test").keys == ["test/d/e.png"]
    _picture(tmp_path / "stray.png")
    with pytest.raises(DataError, match=r"stray\.png is outside"):
        adapter.split("train")


def test_pairs_match_by_name(tmp_path: Path) -> None:
    for index in range(30):
        _picture(tmp_path / f"nir/{index}_nir.png")
        _picture(tmp_path / f"rgb/{index}_rgb{'_reg' if index % 2 else ''}.jpg")
    adapter = Pairs(root=tmp_path)
    splits = [adapter.split(name) for name in ("train", "validation", "test")]
    assert sorted(int(key) for split in splits for key in split.keys) == list(range(30))
    assert set(splits[0].load(0)) == {"rgb", "nir"}
    _picture(tmp_path / "nir/alone_nir.png")
    with pytest.raises(DataError, match=r"without a partner: .*alone_nir\.png"):
        adapter.split("train")


def test_pairs_with_one_name_twice(tmp_path: Path) -> None:
    for name in ("nir/a.png", "nir/a_nir.png", "rgb/a.png"):
        _picture(tmp_path / name)
    with pytest.raises(DataError, match="same name"):
        Pairs(root=tmp_path).split("train")


def test_subset_keeps_order(tmp_path: Path) -> None:
    source = FileSource([Record(n, rgb=_picture(tmp_path / n)) for n in ("a.png", "b.png")])
    subset = Subset(source, [1, 0])
    assert subset.keys == ["b.png", "a.png"]
    assert subset.stamp(0) == source.stamp(1)
    assert len(subset) == 2


@pytest.fixture
def grayish(tmp_path: Path) -> FileSource:
    """A colour picture, a gray one, a sepia one, and a gray one with one red pixel."""
    rng = np.random.default_rng(0)
    gray = np.repeat(rng.integers(0, 256, (128, 128, 1), dtype=np.uint8), 3, axis=2)
    pixel = gray.copy()
    pixel[5, 5] = [255, 0, 0]
    color = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    sepia = np.clip(gray.astype(float) * 0 + [120, 110, 95], 0, 255).astype(np.uint8)
    records = []
    for name, image in {"color": color, "gray": gray, "sepia": sepia, "pixel": pixel}.items():
        path = tmp_path / "images" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
        records.append(Record(name, rgb=path))
    return FileSource(records)


def test_near_gray_pictures_are_dropped(grayish: FileSource) -> None:
    assert drop_near_gray(grayish, 10).keys == ["color"]
    assert drop_near_gray(grayish, 0).keys == grayish.keys


def test_near_gray_verdicts_are_kept(
    grayish: FileSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache" / "gray.json"
    drop_near_gray(grayish, 5, cache)
    decoded: list[Path] = []
    read = module.noted_rgb

    def counting(path: Path, white_level: int | None) -> NotedPlane:
        decoded.append(path)
        return read(path, white_level)

    monkeypatch.setattr(module, "noted_rgb", counting)
    assert drop_near_gray(grayish, 10, cache).keys == ["color"]
    assert decoded == []
    path = grayish.records[1].rgb
    assert path is not None
    Image.new("RGB", (16, 16), (255, 0, 0)).save(path)
    drop_near_gray(grayish, 10, cache)
    assert decoded == [path]
    cache.write_text("{broken")
    assert drop_near_gray(grayish, 10, cache).keys == ["color"]
    assert len(decoded) == 5


def test_a_folder_may_train_without_its_gray_pictures(tmp_path: Path) -> None:
    colored = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        Image.fromarray(colored).save(tmp_path / split / "colored.png")
        Image.new("RGB", (40, 40), (90, 90, 90)).save(tmp_path / split / "gray.png")
    data = Folder(root=tmp_path, min_chroma=5)
    assert data.split("train").keys == ["train/colored.png"]
    assert len(data.split("test")) == 2
    assert not data.has_validation
    assert data.has_test
    (tmp_path / "more").mkdir()
    Image.fromarray(colored).save(tmp_path / "more" / "colored.png")
    assert not Folder(root=tmp_path / "more", validation=0.0, test=0.0).has_test


def test_a_collection_names_folder_and_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSCHROMA_DATA", str(tmp_path))
    (tmp_path / "holiday").mkdir()
    folder = Folder(collection="holiday", min_chroma=5.0)
    assert folder.base() == tmp_path / "holiday"
    assert folder.train_data == "holiday train, ab range >= 5"
    assert Folder().train_data == "pictures train"
    with pytest.raises(DataError, match=r"no folder .*pictures"):
        Folder().base()
    assert Folder(collection="holiday", root=tmp_path).base() == tmp_path
