"""``crosschroma data prior``: counts of the ab bins of a dataset's pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets import registry
from crosschroma.datasets.base.color import lab_to_rgb
from crosschroma.datasets.imagenet import ImageNetSample
from crosschroma.experiments import cli, recipe_list
from crosschroma.models.color import ab_prior
from crosschroma.models.color.ab_bins import ab_bins
from crosschroma.models.color.ab_prior import load_prior
from PIL import Image

BINS = ab_bins()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSCHROMA_DATA", raising=False)
    return tmp_path


def paint(path: Path, a: float, b: float, height: int, width: int) -> None:
    """A picture of one colour with L* = 60."""
    lab = torch.tensor([60.0, a, b]).view(3, 1, 1).expand(3, height, width)
    levels = (lab_to_rgb(lab) * 255).round().byte().permute(1, 2, 0).numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels).save(path)


def bin_at(a: int, b: int) -> int:
    return int((torch.tensor([a, b]) == BINS).all(1).nonzero())


@pytest.fixture
def photos(place: Path) -> Path:
    paint(place / "photos" / "train" / "a.png", 31, 19, 10, 20)
    paint(place / "photos" / "train" / "b.png", -22, 28, 20, 30)
    paint(place / "photos" / "validation" / "a.png", 1, 2, 10, 10)
    paint(place / "photos" / "test" / "a.png", 0, -41, 10, 10)
    return place / "photos"


def test_pixels_are_counted_by_their_nearest_bin(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["data", "prior", "folder", "--root", str(photos), "--out", "mine.json"]
    assert cli.run(argv) == 0
    counts = np.array(json.loads(Path("mine.json").read_text())["counts"])
    assert counts[bin_at(30, 20)] == 200
    assert counts[bin_at(-20, 30)] == 600
    assert counts.sum() == 800
    out = capsys.readouterr().out
    assert "2 images, 800 pixels in 2 of 313 bins, 0% in the nine about gray" in out
    assert "--method.prior mine.json" in out
    prior = load_prior("mine.json", 1, 5.0)
    assert prior[bin_at(-20, 30)] == 0.75


def test_another_split_and_the_default_file(photos: Path) -> None:
    argv = ["data", "prior", "folder", "--root", str(photos), "--split", "test"]
    assert cli.run(argv) == 0
    found = json.loads(Path("folder-prior.json").read_text())
    assert found["images"] == 1
    assert found["data"].endswith("test")
    assert found["counts"][bin_at(0, -40)] == 100


def test_every_dataset_has_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    for name in registry.ADAPTERS:
        assert cli.run(["data", "prior", name, "--help"]) == 0
        out = capsys.readouterr().out
        assert "--out" in out
        assert "--split" in out


def test_a_missing_dataset_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["data", "prior", "bsds500"]) == 1
    assert "no folder data/bsds500" in capsys.readouterr().err


@pytest.mark.slow
def test_the_shipped_prior_is_what_the_command_counts(shared_data: Path, place: Path) -> None:
    """In the training images of the recipe."""
    experiment = recipe_list.load_recipe("zhang16_imagenet_sample")
    assert experiment.data == ImageNetSample(min_chroma=10.0)
    root = str(shared_data / "imagenet_sample")
    argv = ["data", "prior", "imagenet-sample", "--root", root, "--min-chroma", "10"]
    assert cli.run([*argv, "--out", "again.json"]) == 0
    shipped = Path(ab_prior.__file__).parent / "priors" / "imagenet-sample.json"
    assert Path("again.json").read_text() == shipped.read_text()
