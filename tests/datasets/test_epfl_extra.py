"""Whole EPFL photographs: all for training, and none of a scene that VCIP keeps out."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from crosschroma.datasets.base import split_lists
from crosschroma.datasets.base.errors import DataError
from crosschroma.datasets.epfl_extra import EpflExtra
from crosschroma.datasets.mixtures.vcip_and_epfl import VcipAndEpfl
from crosschroma.datasets.vcip import Category, Vcip

LINES = [line.split() for line in split_lists.read_split_list("epfl-extra-scenes")]
SCENES = {path.split("/")[1]: set(scenes) for path, *scenes in LINES}
SCENE_OF = dict(line.split() for line in split_lists.read_split_list("vcip-scenes"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both layouts with every name; 8x8 images, those of VCIP black, the others white."""
    root = tmp_path_factory.mktemp("data")
    names = [f"epfl_extra/{path}_{plane}.jpg" for path, *_ in LINES for plane in ("nir", "rgb")]
    for key in split_lists.read_split_list("vcip-train-clean"):
        names += [f"vcip2020/NIR/{key}_nir.png", f"vcip2020/RGB-Registered/{key}_rgb_reg.png"]
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (8, 8, 3) if "_rgb" in path.stem else (8, 8)
        level = 255 if path.suffix == ".jpg" else 0
        path.write_bytes(cv2.imencode(path.suffix, np.full(shape, level, np.uint8))[1].tobytes())
    return root


def both(folder: Path, fold: int | Category | None, *, oldbuilding: bool = False) -> VcipAndEpfl:
    return VcipAndEpfl(
        pairs=Vcip(root=folder / "vcip2020", fold=fold),
        extra=EpflExtra(root=folder / "epfl_extra", oldbuilding=oldbuilding),
    )


def test_every_photograph_is_for_training(folder: Path) -> None:
    data = EpflExtra(root=folder / "epfl_extra")
    assert len(data.split("train")) == 90
    assert len(EpflExtra(root=data.root, oldbuilding=True).split("train")) == 110
    assert (data.has_validation, data.has_test) == (False, False)
    for name in ("validation", "test"):
        with pytest.raises(DataError, match=f"all its pairs are for training, none is for {name}"):
            data.split(name)
    planes = data.split("train").load(0)
    assert planes["rgb"].shape == (8, 8, 3)
    assert planes["nir"].shape == (8, 8)


def test_no_scene_of_a_photograph_is_a_test_scene() -> None:
    kept_out = (*split_lists.read_split_list("vcip-test"), "validation_0000")
    tested = {SCENE_OF[key] for key in kept_out}
    assert not tested & set().union(*SCENES.values())


@pytest.mark.parametrize("fold", [0, 1, 2, 3, 4, "country", "forest"])
def test_no_photograph_shows_a_scene_of_the_fold(folder: Path, fold: int | Category) -> None:
    data = both(folder, fold)
    kept_out = {SCENE_OF[key] for key in data.split("validation").keys}
    keys = [key.removeprefix("epfl-extra/").split(" ")[0] for key in data.split("train").keys]
    photographs = [key for key in keys if key in SCENES]
    assert set(photographs) == {
        key for key, scenes in SCENES.items() if "oldbuilding" not in key and not scenes & kept_out
    }
    assert len(photographs) == 2 * len(set(photographs)) < 180


def test_all_train_together_and_vcip_alone_is_scored(folder: Path) -> None:
    data = both(folder, None, oldbuilding=True)
    train = data.split("train")
    assert len(train) == 336 + 2 * 110
    assert [int(train.load(index)["rgb"].mean()) for index in (0, 335, 336, -1)] == [0, 0, 255, 255]
    assert data.train_data == "vcip-clean train + epfl-extra with oldbuilding"
    assert (data.name, data.protocol, data.has_validation) == ("vcip", "vcip-clean", False)
    bare = data.rootless()
    assert (bare.pairs.root, bare.extra.root) == (None, None)


def test_folder_of_vcip_may_be_named_outside(folder: Path) -> None:
    data = VcipAndEpfl(root=folder / "vcip2020", extra=EpflExtra(root=folder / "epfl_extra"))
    assert list(data.split("train").keys) == list(both(folder, 0).split("train").keys)
