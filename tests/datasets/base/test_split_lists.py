"""Split lists: the shipped ones are whole, a changed one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from crosschroma.datasets.base import split_lists
from crosschroma.datasets.base.errors import DataError

SIZES = {
    "epfl-extra-scenes": 110,
    "rgb-nir-scene-test": 180,
    "rgb-nir-scene-train": 630,
    "rgb-nir-scene-validation": 90,
    "vcip-scenes": 418,
    "vcip-test": 28,
    "vcip-test-leaked": 8,
    "vcip-test-not-leaked": 20,
    "vcip-test-scene-disjoint": 14,
    "vcip-train-clean": 336,
    "vcip-train-official": 372,
    "vcip-validation-not-in-test": 3,
    "vcip-validation-official": 18,
}


def test_shipped_lists_are_whole_and_hold_no_entry_twice() -> None:
    assert split_lists.split_list_names() == sorted(SIZES)
    for name, size in SIZES.items():
        entries = split_lists.read_split_list(name)
        assert len(entries) == len(set(entries)) == size
        assert len(split_lists.digest(name)) == 64


def test_vcip_lists_fit_together() -> None:
    read = split_lists.read_split_list
    scene_of = dict(line.split() for line in read("vcip-scenes"))
    unseen = {scene_of[key] for key in (*read("vcip-test"), *read("vcip-validation-official"))}
    official, clean = read("vcip-train-official"), read("vcip-train-clean")
    assert list(clean) == [key for key in official if scene_of[key] not in unseen]
    assert set(read("vcip-test-leaked")) | set(read("vcip-test-not-leaked")) == set(
        read("vcip-test")
    )
    trained = {scene_of[key] for key in official}
    assert list(read("vcip-test-scene-disjoint")) == [
        key for key in read("vcip-test") if scene_of[key] not in trained
    ]


def test_vcip_lists_are_those_of_the_lent_data(shared_data: Path) -> None:
    truth = json.loads((shared_data / "vcip2020" / "splits.json").read_text())
    names = {
        "train_official": "vcip-train-official",
        "train_clean": "vcip-train-clean",
        "test_official": "vcip-test",
        "validation_official": "vcip-validation-official",
        "validation_not_in_test": "vcip-validation-not-in-test",
        "test_leaked": "vcip-test-leaked",
        "test_not_leaked": "vcip-test-not-leaked",
        "test_scene_disjoint_from_official_train": "vcip-test-scene-disjoint",
    }
    for key, name in names.items():
        assert list(split_lists.read_split_list(name)) == truth[key]


def test_rgb_nir_scene_lists_cut_every_ten_numbers_alike() -> None:
    for name, per_block in (("test", 2), ("validation", 1), ("train", 7)):
        blocks = [key[:-1] for key in split_lists.read_split_list(f"rgb-nir-scene-{name}")]
        assert len(set(blocks)) == 90
        assert all(blocks.count(block) == per_block for block in set(blocks))


@pytest.fixture
def copy_of_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    original = split_lists.FOLDER / "vcip-test.txt"
    (tmp_path / "vcip-test.txt").write_bytes(original.read_bytes())
    monkeypatch.setattr(split_lists, "FOLDER", tmp_path)
    return tmp_path / "vcip-test.txt"


def test_changed_list_is_refused(copy_of_lists: Path) -> None:
    copy_of_lists.write_text(copy_of_lists.read_text().replace("Testing_0003", "Testing_0030"))
    with pytest.raises(DataError, match=r"vcip-test\.txt was changed.*git checkout"):
        split_lists.read_split_list("vcip-test")
    with pytest.raises(DataError, match="was changed"):
        split_lists.digest("vcip-test")


def test_list_under_another_name_is_refused(copy_of_lists: Path) -> None:
    copy_of_lists.rename(copy_of_lists.with_name("vcip-train-clean.txt"))
    with pytest.raises(DataError, match="was changed"):
        split_lists.read_split_list("vcip-train-clean")


def test_windows_line_ends_do_not_count_as_a_change(copy_of_lists: Path) -> None:
    before = split_lists.read_split_list("vcip-test")
    copy_of_lists.write_bytes(copy_of_lists.read_bytes().replace(b"\n", b"\r\n"))
    assert split_lists.read_split_list("vcip-test") == before


def test_unknown_list_names_the_nearest() -> None:
    with pytest.raises(DataError, match=r"unknown split list.*vcip-train-clean"):
        split_lists.read_split_list("vcip-train-cleen")
