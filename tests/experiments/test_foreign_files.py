"""Files whose values are wrong end in one clear error, whatever is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.boxes import read_boxes
from crosschroma.datasets.base.errors import UserError
from crosschroma.datasets.coco import Coco
from crosschroma.experiments import recipe_list
from crosschroma.experiments.artifacts import checkpoint, run_file
from crosschroma.experiments.experiment import Hardware
from crosschroma.experiments.inference.exported_file import About, described
from crosschroma.experiments.inference.hints_file import Hints, hints_text, read_hints
from crosschroma.experiments.inference.palette import Palette
from crosschroma.experiments.plots.curves import load_curves
from crosschroma.experiments.tables import tables
from crosschroma.experiments.tables.published import load_published
from crosschroma.experiments.training.engine import fit
from crosschroma.experiments.video.resume import Parts
from crosschroma.models.base import weights
from crosschroma.models.color.ab_prior import load_prior

from tests.helpers.wrong_values import wrong_variants

WRITTEN = Path(__file__).parent / "written_by_0.1.0"
POINTS = [{"x": 1, "y": 2, "rgb": [1, 2, 3]}, {"x": 1.5, "y": 2, "a": 3, "b": 4, "size": 3}]
ORIGIN = {"run": "zhang16_photos", "weights_sha256": "ab", "output": None, "size": 64}
PUBLISHED = {
    "provenance": {"T": "text"},
    "sources": {"s": "text"},
    "protocols": {"p": "text"},
    "tables": {
        "vcip": {
            "title": "t",
            "comparable": "c",
            "rows": [
                {
                    "method": "m",
                    "metrics": {"PSNR": "14.26"},
                    "source": "s",
                    "protocol": "p",
                    "provenance": "T",
                    "year": 2020,
                }
            ],
        }
    },
}
COCO = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 8}],
    "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0}],
}
CURVE = {
    "run": "r",
    "recipe": "r",
    "seed": 0,
    "batch_size": 2,
    "dataset": "vcip",
    "validated_on": "v",
    "metrics": {"PSNR": [[1, 2.0], [2, 3.0]]},
}
BOOK = {"format": "crosschroma-video-1", "settings": {"a": 1}, "parts": [["0.mkv", 3]], "end": {}}
PRIOR = {"format": "crosschroma ab prior 1", "data": "d", "images": 1, "counts": [1] * 313}


def read_tables(path: Path) -> None:
    run_file.load_run_file(path)
    (path.parent / "runs").mkdir(exist_ok=True)
    path.rename(path.parent / "runs" / "a.json")
    tables.check_tables(path.parent, None)


def read_curves(path: Path) -> None:
    load_curves(path.parent)


def read_coco(path: Path) -> None:
    folder = path.parent / "annotations"
    folder.mkdir(exist_ok=True)
    path.rename(folder / "instances_val2017.json")
    Coco(root=path.parent).records("test")


def read_book(path: Path) -> None:
    path.rename(path.parent / "state.json")
    Parts(path.parent, {"a": 1})


READERS: dict[str, tuple[Callable[[], Any], Callable[[Path], Any], int]] = {
    "run file": (lambda: json.loads((WRITTEN / "run_file.json").read_text()), read_tables, 1),
    "hints": (lambda: POINTS, read_hints, 6),
    "saved hints": (lambda: {"points": POINTS, "method": ORIGIN, **saved()}, read_hints, 6),
    "boxes": (lambda: {"a.jpg": [[1, 2, 3, 4, 0.5], [1, 2, 3, 4]]}, read_boxes, 8),
    "published": (lambda: PUBLISHED, load_published, 5),
    "coco": (lambda: COCO, read_coco, 6),
    "curve": (lambda: CURVE, read_curves, 6),
    "prior": (lambda: PRIOR, lambda path: load_prior(str(path), 5, 5.0), 5),
    "video": (lambda: BOOK, read_book, 6),
}


def saved() -> dict[str, Any]:
    picture = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    hints = Hints(palette=Palette.of(picture), strength=0.5, picture=(9, 8), name="a.jpg")
    return {k: v for k, v in json.loads(hints_text(hints)).items() if k != "points"}


@pytest.mark.parametrize("name", READERS)
def test_wrong_values_in_json(name: str, tmp_path: Path) -> None:
    content, read, count = READERS[name]
    data = content()
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "x.json").write_text(json.dumps(data))
    read(tmp_path / "good" / "x.json")  # the file that the others differ from
    refused: dict[str, str] = {}
    for number, (change, variant) in enumerate(wrong_variants(data, count)):
        path = tmp_path / str(number) / "x.json"
        path.parent.mkdir()
        path.write_text(json.dumps(variant))
        try:
            read(path)
        except UserError as error:
            refused[change] = str(error)
        except Exception as error:
            raise AssertionError(f"{name}: {change}") from error
    assert len(refused) > 10
    assert [change for change, text in refused.items() if str(tmp_path) not in text] == []


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 50_000, "", "{", "[1" + "0" * 5000 + "]", "\udcff", '"\\ud800"'],
)
def test_what_is_no_json_of_ours(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=r"\.json"):
        READERS[name][1](path)


@pytest.mark.parametrize("name", ["best.pt", "last.pt"])
def test_wrong_values_in_checkpoints(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = weights.load_checkpoint(WRITTEN / name)
    path = tmp_path / name
    path.touch()
    refused = 0
    for change, variant in wrong_variants(without_big_lists(state), 2, json_only=False):
        monkeypatch.setattr(weights, "read_content", lambda path, mapped, data=variant: data)
        try:
            checkpoint.load_trained(path)
        except UserError:
            refused += 1
        except Exception as error:
            raise AssertionError(change) from error
    assert refused > 100


def test_wrong_values_in_what_a_run_goes_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = weights.load_checkpoint(WRITTEN / "last.pt")
    experiment = checkpoint.load_trained(WRITTEN / "last.pt").experiment
    hardware = Hardware(accelerator="cpu", workers=0)
    (tmp_path / "last.pt").touch()
    keys = ("random", "optimizers", "networks", "average", "precision", "starts", "best", "worse")
    for key in keys:
        for value in (None, 1, "x", [], [1], {}, {"generator": 1}, {"generator": {}}, [{}]):
            if state.get(key) == value or (key == "precision" and value == {}):
                continue
            variant = {**state, key: value}
            monkeypatch.setattr(weights, "read_content", lambda path, mapped, data=variant: data)
            try:
                fit(experiment, tmp_path, hardware, resume=True)
            except UserError:
                continue
            except Exception as error:
                raise AssertionError(f"{key} = {value!r}") from error


def without_big_lists(state: dict[str, Any]) -> dict[str, Any]:
    """Tensors and random states are looked at as they are."""
    return {key: value for key, value in state.items() if key not in ("random", "optimizers")}


def test_wrong_values_in_an_exported_file(tmp_path: Path) -> None:
    from crosschroma.experiments.inference import exported_file

    about = About(method="m", recipe="r", domain="gray", output="ab", size=64, weights_sha256="ab")
    path = tmp_path / "x.onnx"
    path.write_bytes(b"x")
    for change, variant in wrong_variants(json.loads(described(about)), 8):
        with pytest.MonkeyPatch.context() as patch:
            text = json.dumps(variant)
            patch.setattr(exported_file, "from_onnx", lambda data, text=text: (text, torch.nn.ReLU))
            try:
                exported_file.load_exported(path)
            except UserError:
                continue
            except Exception as error:
                raise AssertionError(change) from error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("experiment = (\n", "r.py, line 1: '(' was never closed"),
        ("\n\nimport nowhere_to_be_found\n", "r.py, line 3: ModuleNotFoundError: No module named"),
        ("a = 1\nb = a / 0\n", "r.py, line 2: ZeroDivisionError: division by zero"),
        ("x = 1\0\n", "r.py, line 1: "),
        (
            "from crosschroma.models.unet import UNet\nUNet.Config(width=0)\n",
            "r.py, line 2: --method.width 0: must be 1 to 65536",
        ),
        ("experiment = 1\n", "does not set `experiment` to an Experiment"),
    ],
)
def test_a_recipe_with_a_fault(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "r.py").write_text(text)
    with pytest.raises(UserError) as refused:
        recipe_list.load_recipe(str(tmp_path / "r.py"))
    assert said in str(refused.value)
