"""``crosschroma data boxes`` and ``evaluate --boxes``: objects found, written, and used."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.color import lightness_from_uint8
from crosschroma.datasets.mixtures.with_boxes import WithBoxes
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts import weights_file
from crosschroma.experiments.commands import evaluate as evaluate_command
from crosschroma.experiments.commands.data import detect_objects
from crosschroma.experiments.evaluation import evaluate_run
from crosschroma.losses.pretrained.torchvision_import import ensure_torchvision
from PIL import Image
from torch import Tensor, nn


class Finder(nn.Module):
    """Stands for Mask R-CNN: two boxes whose scores its one weight gives, and what it saw."""

    seen: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Parameter(torch.zeros(2))

    def forward(self, pictures: list[Tensor]) -> list[dict[str, Tensor]]:
        Finder.seen += pictures
        height, width = pictures[0].shape[-2:]
        boxes = torch.tensor([[0.0, 1.0, width / 2, height], [2.0, 2.0, 5.5, 6.0]])
        return [{"boxes": boxes, "scores": self.score.detach(), "masks": torch.zeros(2)}]


@pytest.fixture
def finder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of the stand-in, on a machine where torchvision's operators work."""
    ensure_torchvision()
    from torchvision.models import detection

    def build(weights: None, weights_backbone: None, box_score_thresh: float) -> Finder:
        assert box_score_thresh == 0.5
        return Finder()

    monkeypatch.setattr(detection, "maskrcnn_resnet50_fpn_v2", build)
    monkeypatch.setattr(detect_objects, "_check_operators", ensure_torchvision)
    monkeypatch.setattr(Finder, "seen", [], raising=False)
    path = tmp_path / "weights.pth"
    torch.save({"score": torch.tensor([0.75, 0.875])}, path)
    return path


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    levels = np.random.default_rng(0).integers(0, 256, (10, 20, 3), np.uint8)
    for split in ("train", "validation", "test"):
        folder = tmp_path / "photos" / split
        folder.mkdir(parents=True)
        Image.fromarray(levels).save(folder / "a.png")
    return tmp_path / "photos"


def test_boxes_of_all_splits_are_written_the_surest_first(photos: Path, finder: Path) -> None:
    argv = ["data", "boxes", "folder", "--root", str(photos), "--weights", str(finder)]
    assert cli.run([*argv, "--device", "cpu"]) == 0
    written = json.loads(Path("folder-boxes.json").read_text())
    assert written.keys() == {"train/a.png", "validation/a.png", "test/a.png"}
    assert written["test/a.png"] == [[2, 2, 5.5, 6, 0.875], [0, 1, 10, 10, 0.75]]
    seen = Finder.seen[0]
    levels = np.asarray(Image.open(photos / "train" / "a.png"))
    for plane in seen:
        assert np.array_equal(plane.numpy(), lightness_from_uint8(levels))
    assert seen.shape == (3, 10, 20)
    assert cli.run([*argv, "--splits", "test", "--out", "one.json"]) == 0
    assert json.loads(Path("one.json").read_text()).keys() == {"test/a.png"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"no weights", "weights.pth is refused: it is damaged"),
        (None, "holds no weights of torchvision's"),
    ],
)
def test_other_weights_are_refused(
    photos: Path, finder: Path, content: bytes | None, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is None:
        torch.save({"other": torch.zeros(1)}, finder)
    else:
        finder.write_bytes(content)
    argv = ["data", "boxes", "folder", "--root", str(photos), "--weights", str(finder)]
    assert cli.run([*argv, "--device", "cpu"]) == 1
    assert text in capsys.readouterr().err


def test_operators_that_do_not_load_are_told(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure_torchvision()
    from torchvision import ops

    def absent(*given) -> None:
        raise RuntimeError("Couldn't load custom C++ ops.")

    monkeypatch.setattr(ops, "nms", absent)
    assert cli.run(["data", "boxes", "folder", "--root", str(photos)]) == 1
    assert "operators do not load beside this torch" in capsys.readouterr().err


def test_datasets_without_colour_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from crosschroma.datasets.files.folder import Folder

    monkeypatch.setattr(Folder, "planes", frozenset({"nir"}))
    assert cli.run(["data", "boxes", "folder"]) == 1
    assert "folder has no colour images" in capsys.readouterr().err


def test_evaluate_takes_boxes_from_a_file(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the scores are of is the dataset with the file's boxes, at the folder that is named."""
    adapters = []

    class EndError(Exception):
        pass

    def catch(trained, adapter, **options) -> None:
        adapters.append(adapter)
        raise EndError

    monkeypatch.setattr(evaluate_run, "evaluate_run", catch)
    trained = SimpleNamespace(experiment=SimpleNamespace(data=Scenes()))
    monkeypatch.setattr(weights_file, "load_any", lambda *given: trained)
    Path("boxes.json").write_text('{"test/a.png": [[1, 2, 7, 8]]}')
    argv = ["--dataset", "folder", "--root", str(photos), "--boxes", "boxes.json"]
    with pytest.raises(EndError):
        evaluate_command.evaluate(["run", *argv])
    [adapter] = adapters
    assert isinstance(adapter, WithBoxes)
    assert adapter.split("test").load(0)["boxes"].tolist() == [[1, 2, 7, 8]]
