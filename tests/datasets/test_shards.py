"""Photos in tar archives: the photos, splits, order and errors of a folder."""

from __future__ import annotations

import io
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.datasets.imagenet import ImageNet
from crosschroma.datasets.loading import tar_files
from crosschroma.datasets.loading.decode import read_size
from crosschroma.datasets.loading.loader import train_loader
from crosschroma.datasets.loading.views import TrainView
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.datasets.shards import Shards, write_shards
from crosschroma.experiments import cli
from crosschroma.experiments.experiment import Experiment
from crosschroma.experiments.training.engine import fit
from interrupted import ALONE, assert_same, fit_with_cuts, state_of
from pictures import smooth_picture


@pytest.fixture
def folder(tmp_path: Path) -> ImageNet:
    """Photos of two classes, of several formats."""
    names = [f"train/n0{i % 2}/{i}.JPEG" for i in range(18)] + ["train/n00-b/z.png", "val/v.jpg"]
    for seed, name in enumerate(names):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        suffix = ".png" if name.endswith("png") else ".jpg"
        picture = smooth_picture(40, 48, seed)
        path.write_bytes(cv2.imencode(suffix, picture[..., ::-1])[1].tobytes())
    return ImageNet(root=tmp_path / "folder")


@pytest.fixture
def shards(folder: ImageNet, tmp_path: Path) -> Shards:
    archives = write_shards(folder, tmp_path / "shards", photos=4)
    assert [path.name for path in archives] == [
        *(f"{n:05d}.tar" for n in range(5)),
        "00000.tar",
    ]
    return Shards(root=tmp_path / "shards", holds="imagenet")


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_splits_keys_and_pixels_are_the_folders(folder: ImageNet, shards: Shards, name) -> None:
    one, other = folder.split(name), shards.split(name)
    assert list(one.keys) == list(other.keys)
    for index in range(len(one)):
        assert np.array_equal(one.load(index)["rgb"], other.load(index)["rgb"])
    assert shards.train_data == folder.train_data == "imagenet train"


def test_a_run_is_that_on_the_folder_and_goes_on_exactly(
    folder: ImageNet, shards: Shards, tmp_path: Path
) -> None:
    from crosschroma.experiments.experiment import Training
    from crosschroma.models.unet import UNet

    experiment = Experiment(
        name="tiny",
        method=UNet.Config(domain="gray", width=4, levels=2, norm="none"),
        data=folder,
        train_view=TrainView(size=32),
        training=Training(steps=6, batch_size=2, validate_every=0, checkpoint_every=3),
    )
    fit(experiment, tmp_path / "folder_run", ALONE)
    sharded = replace(experiment, data=shards)
    fit_with_cuts(sharded, tmp_path / "cut", [3])
    one, other = state_of(tmp_path / "folder_run"), state_of(tmp_path / "cut")
    assert one.pop("experiment") != other.pop("experiment")
    assert_same(one, other)


def test_workers_read_the_same(shards: Shards) -> None:
    source = shards.split("train")
    batches = [
        next(iter(train_loader(source, TrainView(size=32), 4, workers=workers)))
        for workers in (0, 1)
    ]
    assert batches[0]["key"] == batches[1]["key"]
    assert np.array_equal(batches[0]["rgb"], batches[1]["rgb"])
    again = pickle.loads(pickle.dumps(source))  # as workers that are spawned get it
    assert np.array_equal(again.load(2)["rgb"], source.load(2)["rgb"])


def test_what_others_write_is_read_and_labels_are_left(tmp_path: Path) -> None:
    """webdataset's samples: files of one stem one after the other."""
    (tmp_path / "train").mkdir()
    with tarfile.open(tmp_path / "train" / "a.tar", "w") as archive:
        for stem in range(12):
            picture = cv2.imencode(".png", smooth_picture(20, 24, stem))[1].tobytes()
            for suffix, content in (("png", picture), ("cls", b"7"), ("json", b"{}")):
                info = tarfile.TarInfo(f"{stem:04d}.{suffix}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    source = Shards(root=tmp_path).split("train")
    assert len(source) == 11
    assert source.keys[0] == "train/0000.png"
    assert read_size(tmp_path / "train" / "a.tar" / "0003.png") == (20, 24)


def test_the_list_is_kept_until_the_archive_changes(
    shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "shards" / "train" / "00001.tar"
    stamp = shards.split("train").stamp(5)
    assert archive.with_name("00001.tar.index").is_file()
    monkeypatch.setattr(tar_files.tarfile, "open", None)  # the list is there
    tar_files.open_tar.cache_clear()
    assert shards.split("train").stamp(5) == stamp
    monkeypatch.undo()
    tar_files.open_tar.cache_clear()
    archive.write_bytes(archive.read_bytes() + bytes(512))
    members = tar_files.TarFile(archive).members
    assert len(members) == 4


def test_damage_is_named(shards: Shards, tmp_path: Path) -> None:
    archive = tmp_path / "shards" / "train" / "00002.tar"
    whole = archive.read_bytes()
    for content, text in (
        (whole[: len(whole) // 2], "00002.tar"),
        (b"no archive" * 100, "is no tar archive"),
    ):
        archive.write_bytes(content)
        tar_files.open_tar.cache_clear()
        with pytest.raises(DataError, match=text):
            shards.split("train")
    archive.unlink()
    tar_files.open_tar.cache_clear()
    assert len(shards.split("train")) < 17


def test_what_is_missing_or_twice_is_named(shards: Shards, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no images for train .*expected train/\*\.tar"):
        Shards(root=tmp_path).split("train")
    train = tmp_path / "shards" / "train"
    (train / "00009.tar").write_bytes((train / "00000.tar").read_bytes())
    with pytest.raises(DataError, match=r"00009\.tar and another archive of train both hold"):
        shards.split("train")


def test_the_command_writes_them(folder: ImageNet, tmp_path: Path, capsys) -> None:
    out = tmp_path / "new"
    words = ["data", "shard", "imagenet", "--root", str(folder.root), "--out", str(out)]
    assert cli.run([*words, "--photos", "7"]) == 0
    assert "4 archives" in capsys.readouterr().out
    assert len(list(out.glob("*/*.tar"))) == 4
    assert cli.run(words) == 1
    assert "is there already" in capsys.readouterr().err
    assert cli.run(["data", "check", "shards", "--root", str(out)]) == 0, capsys.readouterr()


def test_other_data_is_refused(tmp_path: Path, capsys) -> None:
    assert cli.run(["data", "shard", "scenes", "--out", str(tmp_path / "out")]) != 0
    assert "scenes" in capsys.readouterr().err
    assert isinstance(Scenes(), Scenes)
    with pytest.raises(UserError, match="at least 1"):
        write_shards(ImageNet(root=tmp_path), tmp_path / "out", photos=0)
