"""Every option that takes a file of weights: none runs code that the file may hold."""

from __future__ import annotations

import json
from pathlib import Path

import payloads
import pytest
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments import cli
from crosschroma.experiments.commands.data import detect_objects
from crosschroma.experiments.inference.colorizer import Colorizer
from PIL import Image

RECIPE = """
from crosschroma.datasets.loading.views import EvalView, TrainView
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.experiments.experiment import Experiment, Training
from crosschroma.models.cocolor.method import CoColor
from crosschroma.models.ddcolor.method import DDColor
from crosschroma.models.encoder_unet import EncoderUNet
from crosschroma.models.instance_aware.method import InstanceAware
from crosschroma.models.student import Student
from crosschroma.models.unet import UNet
from crosschroma.models.zhang16.method import Zhang16

experiment = Experiment(
    name="tiny",
    method={method},
    data=Scenes(size=32, count_train=4, count_validation=2, count_test=2),
    train_view=TrainView(size=32),
    eval_view=EvalView(size=32),
    training=Training(steps=1, batch_size=2),
)
"""
_ENCODER = "EncoderUNet.Config(domain='gray', encoder='{}', encoder_weights='none')"
_UNET = "UNet.Config(domain='gray', width=4, levels=2)"
_DDCOLOR = "DDColor.Config(encoder='resnet18', encoder_weights='none', width=16)"
_BACKBONE = ["--method.extra.perceptual", "1", "--method.extra.backbone"]
# of `train`: the method, and the options, of which the last takes the file
TRAINED = {
    "encoder of timm": (_ENCODER.format("resnet18"), ["--method.encoder-weights"]),
    "squeezenet": (_ENCODER.format("squeezenet1_0"), ["--method.encoder-weights"]),
    "loss on vgg": (_UNET, [*_BACKBONE, "vgg16", "--method.extra.backbone-weights"]),
    "loss on timm": (_UNET, [*_BACKBONE, "resnet18", "--method.extra.backbone-weights"]),
    "loss on squeezenet": (_UNET, [*_BACKBONE, "squeezenet1_0", "--method.extra.backbone-weights"]),
    "ddcolor's loss": (_DDCOLOR, ["--method.perceptual-weights"]),
    "start of zhang16": ("Zhang16.Config(width=4)", ["--method.start"]),
    "start of instance_aware": ("InstanceAware.Config(width=4)", ["--method.start"]),
    "start of a student": ("Student.Config(alpha=0.0)", ["--method.start"]),
    "teacher": ("Student.Config()", ["--method.teacher-weights"]),
    "start of cocolor": ("CoColor.Config()", ["--method.nir-start"]),
}
RUN = {
    "evaluate": ["evaluate", "FILE"],
    "colorize": ["colorize", "a.png", "--run", "FILE"],
    "ui": ["ui", "FILE", "--port", "0"],
    "ship": ["ship", "FILE", "--out", "out"],
    "export": ["export", "FILE", "--to", "safetensors", "--out", "out.safetensors"],
    "gallery": ["gallery", "FILE", "--out", "out.png"],
    "compare": ["compare", "FILE", "--out", "out.html"],
    "compress": ["compress", "FILE", "--out", "out"],
    "hints-curve": ["hints-curve", "FILE"],
    "import": ["import-weights", "zhang16", "FILE"],
}
KINDS = ("torch", "torchscript")
SUFFIXES = (".bin", ".pt")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (32, 32), 90).save("a.png")
    return tmp_path


def refused(words: list[str], file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command ends with one line that names the file, and nothing was run."""
    proof = file.parent / "it ran"
    assert cli.run([word.replace("FILE", str(file)) for word in words]) == 1
    text = capsys.readouterr().err
    assert not proof.exists(), words
    assert file.name in text
    assert "weights_only" not in text
    assert "Traceback" not in text


@pytest.mark.parametrize("option", TRAINED)
def test_options_of_train(option: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    method, words = TRAINED[option]
    (folder / "tiny.py").write_text(RECIPE.format(method=method))
    for kind, suffix in zip(KINDS, SUFFIXES, strict=True):
        file = payloads.write_payload(kind, folder / f"x{suffix}", folder / "it ran")
        refused(["train", "tiny.py", *words, "FILE", "--hardware.workers", "0"], file, capsys)


@pytest.mark.parametrize("command", RUN)
def test_commands_that_take_a_run(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in KINDS:
        for suffix in (*SUFFIXES, ".safetensors"):
            file = payloads.write_payload(kind, folder / f"x{suffix}", folder / "it ran")
            refused(RUN[command], file, capsys)


@pytest.mark.parametrize("suffix", [".ts", ".pt", ".bin", ".onnx"])
def test_hints_name_no_program(
    suffix: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = payloads.write_payload("torchscript", folder / f"x{suffix}", folder / "it ran")
    method = {"run": str(file), "weights_sha256": "0" * 64}
    Path("hints.json").write_text(json.dumps({"points": [], "method": method}))
    refused(["colorize", "a.png", "--hints", "hints.json", "--trust-torchscript"], file, capsys)


def test_torchscript_is_run_only_when_it_is_trusted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = payloads.write_payload("torchscript", folder / "x.ts", folder / "it ran")
    refused(["colorize", "a.png", "--run", "FILE"], file, capsys)
    refused(["ui", "FILE", "--port", "0"], file, capsys)
    with pytest.raises(UserError, match=r"x\.ts is TorchScript.*trust=True"):
        Colorizer.load(file)
    assert cli.run(["colorize", "a.png", "--run", str(file), "--trust-torchscript"]) == 1
    assert "is not a file of `crosschroma export`" in capsys.readouterr().err
    assert (folder / "it ran").exists()


def test_the_detector(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect_objects, "_check_operators", lambda: None)
    file = payloads.write_payload("torch", folder / "x.bin", folder / "it ran")
    with pytest.raises(UserError, match=r"x\.bin is refused"):
        detect_objects.ObjectDetector(file)
    assert not (folder / "it ran").exists()
