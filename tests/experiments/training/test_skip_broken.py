"""``train --skip-broken``: broken training images are skipped, counted and listed; else named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.adapter import Adapter
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.datasets.files.folder import Folder
from crosschroma.datasets.loading.loader import train_loader
from crosschroma.datasets.loading.views import TrainView
from crosschroma.datasets.shards import Shards, write_tar
from crosschroma.experiments.artifacts import checkpoint
from crosschroma.experiments.evaluation.evaluate_run import evaluate_run
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.training.engine import fit
from crosschroma.models.unet import UNet
from PIL import Image

CPU = Hardware(accelerator="cpu", workers=0)
BROKEN = ["train/1.png", "train/4.png"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six training pictures, of which one ends early and one is a text."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("validation", 2), ("test", 2)):
        folder = tmp_path / "photos" / part
        folder.mkdir(parents=True)
        for index in range(count):
            levels = rng.integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(levels).save(folder / f"{index}.png")
    root = tmp_path / "photos"
    data = (root / BROKEN[0]).read_bytes()
    (root / BROKEN[0]).write_bytes(data[: len(data) // 2])
    (root / BROKEN[1]).write_text("no picture")
    return root


def of(experiment: Experiment, data: Adapter) -> Experiment:
    """A gray U-Net of seconds on that data."""
    training = replace(experiment.training, steps=4, checkpoint_every=2, validate_every=2)
    method = UNet.Config(domain="gray", width=4, levels=2)
    return replace(experiment, method=method, data=data, training=training)


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load_checkpoint(run / checkpoint.LAST)["networks"]["generator"]


def same(one: Path, other: Path) -> bool:
    ours, theirs = weights_of(one), weights_of(other)
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_without_the_option_the_image_is_named(
    unet: Experiment, photos: Path, tmp_path: Path
) -> None:
    experiment = of(unet, Folder(root=photos))
    with pytest.raises(DataError, match=r"train/[14]\.png"):
        fit(experiment, tmp_path / "run", CPU)
    for hardware in (replace(CPU, workers=1), replace(CPU, cache=tmp_path / "cache")):
        with pytest.raises(DataError, match=r"train/[14]\.png"):
            fit(experiment, tmp_path / "run", hardware)


def test_with_it_they_are_skipped_listed_and_kept_in_the_run_file(
    unet: Experiment, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = of(unet, Folder(root=photos))
    fit(experiment, tmp_path / "one", CPU, skip_broken=True)
    said = capsys.readouterr().err
    assert "note: 2 training images could not be read; others took their places:" in said
    assert all(said.count(str(photos / name)) == 1 for name in BROKEN)
    trained = checkpoint.load_trained(tmp_path / "one", "last")
    row = evaluate_run(trained, metrics=["PSNR"])
    assert [start["skipped"] for start in row.trained] == [BROKEN]

    # an interruption, workers and a cache change nothing
    def stopped(path: Path, state: dict, keep: Path | None = None) -> None:
        save(path, state, keep)
        if path.name == checkpoint.LAST:
            raise KeyboardInterrupt

    save = checkpoint.save_checkpoint
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save_checkpoint", stopped)
        with pytest.raises(KeyboardInterrupt):
            fit(experiment, tmp_path / "two", CPU, skip_broken=True)
    assert checkpoint.load_checkpoint(tmp_path / "two" / checkpoint.LAST)["step"] == 2
    capsys.readouterr()
    hardware = replace(CPU, workers=1, cache=tmp_path / "cache")
    fit(experiment, tmp_path / "two", hardware, resume=True, skip_broken=True)
    assert "2 training images could not be read" in capsys.readouterr().err
    assert same(tmp_path / "one", tmp_path / "two")
    with pytest.raises(DataError, match=r"train/1\.png"):  # the cache lacks it
        fit(experiment, tmp_path / "three", replace(CPU, cache=tmp_path / "cache"))


def test_a_folder_of_nothing_else_is_refused(
    unet: Experiment, photos: Path, tmp_path: Path
) -> None:
    for path in (photos / "train").iterdir():
        path.write_text("no picture")
    with pytest.raises(DataError, match=r"none of the 6 images can be read: .*train/"):
        fit(of(unet, Folder(root=photos)), tmp_path / "run", CPU, skip_broken=True)


def test_validation_images_are_not_skipped(unet: Experiment, photos: Path, tmp_path: Path) -> None:
    (photos / "validation" / "0.png").write_text("no picture")
    with pytest.raises(UserError, match=r"validation/0\.png"):
        fit(of(unet, Folder(root=photos)), tmp_path / "run", CPU, skip_broken=True)


@pytest.mark.parametrize("skip", [True, False])
def test_near_gray_ones_are_still_left_out(
    skip: bool, unet: Experiment, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (32, 32), (90, 90, 90)).save(photos / "train" / "0.png")
    experiment = of(unet, Folder(root=photos, min_chroma=5.0))
    if not skip:
        with pytest.raises(DataError, match=r"train/1\.png"):
            fit(experiment, tmp_path / "run", CPU)
        return
    fit(experiment, tmp_path / "run", CPU, skip_broken=True)
    assert "2 training images could not be read" in capsys.readouterr().err


def test_members_of_archives_are_skipped_alike(photos: Path, tmp_path: Path) -> None:
    folder = Folder(root=photos)
    (tmp_path / "shards" / "train").mkdir(parents=True)
    records = folder.split("train").records  # pyright: ignore[reportAttributeAccessIssue]
    write_tar(tmp_path / "shards" / "train" / "0.tar", records, "train/")
    shards = Shards(root=tmp_path / "shards").source(
        Shards(root=tmp_path / "shards")._photos("train"), "train"
    )
    keys, skipped = [], set()
    for source in (folder.split("train"), shards):
        batches = iter(train_loader(source, TrainView(size=32), 6, skip_broken=True))
        batch = next(batches)
        keys.append(batch["key"])
        skipped.add(tuple(sorted(key for key, _ in batch["skipped"])))
        assert not set(batch["key"]) & set(BROKEN)
    assert skipped == {tuple(BROKEN)}
    assert keys[0] == [key.replace("0.tar/", "") for key in keys[1]]
