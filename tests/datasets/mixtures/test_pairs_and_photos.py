"""Pairs with photographs: every one of both, one size, nothing beside the pairs in tests."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from crosschroma.datasets.base.adapter import Planes
from crosschroma.datasets.base.batch import collate
from crosschroma.datasets.base.errors import DataError
from crosschroma.datasets.imagenet import ImageNetSample
from crosschroma.datasets.loading.cache import cached
from crosschroma.datasets.loading.loader import Images
from crosschroma.datasets.loading.views import TrainView
from crosschroma.datasets.mixtures.pairs_and_photos import JoinedSource, PairsAndPhotos
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.datasets.vcip import Vcip


class Numbered:
    """Image n is of level n; photographs are ramps of ``width`` columns."""

    def __init__(self, count: int, height: int, width: int, nir: bool) -> None:
        self.keys = [f"{'pair' if nir else 'photo'} {index}" for index in range(count)]
        self._shape, self._nir = (height, width), nir

    def __len__(self) -> int:
        return len(self.keys)

    def load(self, index: int) -> Planes:
        rgb = np.full((*self._shape, 3), index, np.uint8)
        if self._nir:
            return {"rgb": rgb, "nir": rgb[..., 0].copy()}
        rgb[..., 1] = np.arange(self._shape[1])
        return {"rgb": rgb}

    def stamp(self, index: int) -> str:
        return f"stamp of {self.keys[index]}"


def joined(pairs: int, photos: int) -> JoinedSource:
    return JoinedSource(Numbered(pairs, 20, 20, True), Numbered(photos, 20, 20, False))


@pytest.mark.parametrize(("pairs", "photos"), [(3, 7), (4, 4), (5, 2), (4, 8)])
def test_all_pairs_count_the_same_and_no_photograph_is_left_out(pairs: int, photos: int) -> None:
    source = joined(pairs, photos)
    seen = [source.load(index) for index in range(len(source))]
    of_pairs = Counter(int(planes["nir"][0, 0]) for planes in seen)
    of_photos = Counter(int(planes["photo"][0, 0, 0]) for planes in seen)
    assert set(of_pairs) == set(range(pairs))
    assert len(set(of_pairs.values())) == 1
    assert set(of_photos) == set(range(photos))
    assert max(of_photos.values()) - min(of_photos.values()) <= 1
    assert len(set(source.keys)) == len(source)
    assert len(source) < photos + pairs  # no more rounds than that takes


def test_key_and_stamp_tell_both() -> None:
    source = joined(2, 3)
    assert source.keys[2] == "pair 0 | photo 2"
    assert source.stamp(2) == "stamp of pair 0 | stamp of photo 2"


@pytest.mark.parametrize(("height", "width"), [(20, 60), (40, 40), (90, 30), (7, 200)])
def test_a_photograph_is_cut_around_its_centre_to_the_pair(height: int, width: int) -> None:
    source = JoinedSource(Numbered(1, 30, 40, True), Numbered(1, height, width, False))
    photo = source.load(0)["photo"]
    assert photo.shape == (30, 40, 3)
    kept = min(width, round(height * 40 / 30))
    first, last = photo[0, 0, 1], photo[0, -1, 1]
    assert abs((float(first) + float(last)) / 2 - (width - 1) / 2) <= 1
    assert abs((float(last) - float(first)) - kept) <= max(2, kept / 20)


def test_one_view_cuts_and_turns_all_planes_alike() -> None:
    """Where photograph and pair are one picture they stay so."""
    scenes = Scenes(size=48, count_train=3)
    source = JoinedSource(scenes.split("train"), scenes.split("train"))
    view = TrainView(size=32, crop_scale=(0.5, 0.9), rotate90=True, nir_gain=0.3)
    batch = collate([Images(source, view)[index] for index in range(3)])
    assert batch["photo"].shape == (3, 3, 32, 32)
    assert (batch["photo"] - batch["rgb"]).abs().max() < 1e-6


def test_the_cache_keeps_photographs(tmp_path: Path) -> None:
    source = joined(2, 3)
    kept = cached(source, tmp_path, "joined")
    for index in range(len(source)):
        np.testing.assert_array_equal(kept.load(index)["photo"], source.load(index)["photo"])


def test_photographs_stand_beside_the_pairs_in_training_only() -> None:
    data = PairsAndPhotos(
        pairs=Scenes(size=32, count_train=4), photos=Scenes(size=40, count_train=6)
    )
    assert "photo" in data.split("train").load(0)
    for split in ("validation", "test"):
        assert "photo" not in data.split(split).load(0)
        assert data.split(split).keys == data.pairs.split(split).keys
    assert all("|" not in source.keys[0] for source in data.audit_splits().values())


def test_it_goes_by_the_name_of_its_pairs() -> None:
    data = PairsAndPhotos(
        pairs=Vcip(protocol_name="vcip-official", fold=None), photos=ImageNetSample()
    )
    assert (data.name, data.protocol, data.has_validation) == ("vcip", "vcip-official", False)
    assert data.planes == {"rgb", "nir"}
    assert data.subsets() == data.pairs.subsets()
    assert (
        PairsAndPhotos(pairs=Vcip(fold=3), photos=ImageNetSample()).validation_part == "fold 3 of 5"
    )
    assert data.train_data == f"{data.pairs.train_data} + {data.photos.train_data}"
    assert data.with_protocol("vcip-clean").pairs == Vcip(protocol_name="vcip-clean", fold=None)


def test_root_is_that_of_the_pairs(tmp_path: Path) -> None:
    (tmp_path / "pairs").mkdir()
    (tmp_path / "photos").mkdir()
    data = PairsAndPhotos(
        root=tmp_path / "pairs",
        pairs=Vcip(root=tmp_path / "elsewhere"),
        photos=ImageNetSample(root=tmp_path / "photos"),
    )
    assert data.base() == tmp_path / "pairs"
    bare = data.rootless()
    assert (bare.root, bare.pairs.root, bare.photos.root) == (None, None, None)
    (tmp_path / "photos").rmdir()
    with pytest.raises(DataError, match=r"imagenet-sample: no folder .*photos"):
        data.base()


def test_a_photograph_without_colour_is_named() -> None:
    class Gray(Numbered):
        def load(self, index: int) -> Planes:
            return {"nir": np.zeros((8, 8), np.uint8)}

    source = JoinedSource(Numbered(2, 8, 8, True), Gray(2, 8, 8, False))
    with pytest.raises(DataError, match=r"pair 1 \| photo 1: the photograph has no rgb"):
        source.load(1)
