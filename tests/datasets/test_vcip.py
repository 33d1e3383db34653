"""VCIP: protocols, scene-grouped folds, missing files, the real folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from crosschroma.datasets.base import split_lists
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.datasets.vcip import Vcip, scene_folds

NIR_LEVEL, RGB_LEVEL = 30, 90
SCENE_OF = dict(line.split() for line in split_lists.read_split_list("vcip-scenes"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official layout with every name and 8x8 images."""
    root = tmp_path_factory.mktemp("vcip2020")
    names = []
    for key in split_lists.read_split_list("vcip-train-official"):
        names += [f"NIR/{key}_nir.png", f"RGB-Registered/{key}_rgb_reg.png"]
    for n in range(18):
        names += [f"Validation/validation_{n:04d}_{plane}.png" for plane in ("nir", "rgb_reg")]
    for n in range(1, 29):
        names += [f"Testing/testing_{n:04d}_nir_reg.png", f"Testing/Testing_{n:04d}_rgb_reg.png"]
    nir = cv2.imencode(".png", np.full((8, 8), NIR_LEVEL, np.uint8))[1].tobytes()
    rgb = cv2.imencode(".png", np.full((8, 8, 3), RGB_LEVEL, np.uint8))[1].tobytes()
    for name in names:
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(nir if "_nir" in name else rgb)
    return root


@pytest.mark.parametrize(("protocol", "train"), [("vcip-clean", 336), ("vcip-official", 372)])
def test_folds_part_the_training_list_by_scene(made: Path, protocol, train: int) -> None:
    seen: Counter[str] = Counter()
    for fold in range(5):
        data = Vcip(root=made, protocol_name=protocol, fold=fold)
        kept, held = data.split("train").keys, data.split("validation").keys
        assert len(kept) + len(held) == train
        assert not {SCENE_OF[key] for key in kept} & {SCENE_OF[key] for key in held}
        categories = Counter(key.split("_")[0] for key in held)
        assert min(categories.values()) >= 14
        assert max(categories.values()) <= 20
        seen.update(held)
    assert len(seen) == train
    assert set(seen.values()) == {1}


def test_folds_never_change() -> None:
    folds = scene_folds(split_lists.read_split_list("vcip-train-clean"), 5)
    told = "\n".join(f"{key} {fold}" for key, fold in sorted(folds.items()))
    assert hashlib.sha256(told.encode()).hexdigest()[:16] == "ed43c1612b5aa9fe"


@pytest.mark.parametrize(
    ("category", "held", "kept"),
    [("country", 70, 264), ("field", 92, 238), ("forest", 96, 236), ("mountain", 78, 258)],
)
def test_a_category_is_left_out_with_its_scenes(made: Path, category, held: int, kept: int) -> None:
    data = Vcip(root=made, fold=category)
    train, validation = data.split("train").keys, data.split("validation").keys
    assert (len(validation), len(train)) == (held, kept)
    assert {key.split("_")[0] for key in validation} == {category}
    assert not {SCENE_OF[key] for key in train} & {SCENE_OF[key] for key in validation}
    assert data.validation_part == f"fold {category}"
    assert data.train_data == f"vcip-clean train less fold {category}"


def test_clean_training_shares_no_scene_with_test_or_validation(made: Path) -> None:
    data = Vcip(root=made, fold=None)
    trained = {SCENE_OF[key] for key in data.split("train").keys}
    unseen = [*data.split("test").keys, *split_lists.read_split_list("vcip-validation-official")]
    assert not trained & {SCENE_OF[key] for key in unseen}


def test_without_a_fold_all_pairs_train_and_validation_says_how(made: Path) -> None:
    data = Vcip(root=made, fold=None)
    assert len(data.split("train")) == 336
    assert not data.has_validation
    with pytest.raises(DataError, match=r"fold=None.*--data\.fold to 0\.\.4"):
        data.split("validation")


def test_names_for_results(made: Path) -> None:
    data = Vcip(root=made, protocol_name="vcip-official", fold=2)
    assert data.protocol == "vcip-official"
    assert data.train_data == "vcip-official train less fold 2 of 5"
    assert data.validation_part == "fold 2 of 5"
    assert Vcip(root=made, fold=None).train_data == "vcip-clean train"
    subsets = data.subsets()
    assert {name: len(keys) for name, keys in subsets.items()} == {
        "leaked": 8,
        "not_leaked": 20,
        "scene_disjoint": 14,
    }
    assert all(set(keys) <= set(data.split("test").keys) for keys in subsets.values())


def test_published_splits_and_any_pairs(made: Path) -> None:
    data = Vcip(root=made)
    assert {name: len(split) for name, split in data.audit_splits().items()} == {
        "train": 372,
        "validation": 18,
        "test": 28,
    }
    new = data.pairs(split_lists.read_split_list("vcip-validation-not-in-test"))
    assert list(new.keys) == ["validation_0006", "validation_0010", "validation_0016"]
    assert new.load(0)["rgb"].shape == (8, 8, 3)


def test_planes_come_from_their_files(made: Path) -> None:
    for split in Vcip(root=made).audit_splits().values():
        planes = split.load(0)
        assert (planes["nir"] == NIR_LEVEL).all()
        assert (planes["rgb"] == RGB_LEVEL).all()


@pytest.mark.parametrize(
    ("fold", "text"),
    [
        (-1, "--data.fold -1: must not be negative"),
        (5, "no fold 5 of 5; --data.fold takes 0 to 4, country, field"),
        ("street", "--data.fold 'street': must be a whole number or one of country, field"),
    ],
)
def test_fold_out_of_range(fold: object, text: str) -> None:
    with pytest.raises(UserError, match=text):
        Vcip(fold=fold)  # pyright: ignore[reportArgumentType]


def test_missing_files_are_counted_and_named(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "vcip2020"
    for folder in ("NIR", "RGB-Registered", "Validation", "Testing"):
        (root / folder).mkdir(parents=True)
        for path in (made / folder).iterdir():
            if path.name not in ("country_0003_nir.png", "Testing_0001_rgb_reg.png"):
                (root / folder / path.name).symlink_to(path)
    with pytest.raises(DataError, match=r"1 files of train.*country_0003_nir\.png.*Registered/"):
        Vcip(root=root, fold=None).split("train")
    with pytest.raises(DataError, match=r"1 files of test.*Testing_0001_rgb_reg\.png"):
        Vcip(root=root).split("test")
    with pytest.raises(DataError, match=r"672 files of train.*and 669 more"):
        Vcip(root=tmp_path, fold=None).split("train")


def test_missing_folder_names_the_layout(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder .*vcip.*CROSSCHROMA_DATA.*RGB-Registered/"):
        Vcip(root=tmp_path / "vcip").split("test")


def test_real_pairs(shared_data: Path) -> None:
    data = Vcip(root=shared_data / "vcip2020", fold=None)
    assert len(data.split("train")) == 336
    planes = data.split("test").load(27)
    assert planes["rgb"].shape == (256, 256, 3)
    assert planes["nir"].shape == (256, 256)
