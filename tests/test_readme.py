"""README's commands and its Python, run as a reader would, in order, on small data."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from crosschroma.datasets import split_lists
from crosschroma.datasets.scenes import Scenes
from crosschroma.experiments import cli
from PIL import Image

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
# what takes minutes or hours for a reader is shortened for the test
SHORTER = {
    "train": ["--smoke"],
    "reproduce": ["--budget", "smoke"],
    "compress": ["--finetune", "1", "--images", "2", "--repeats", "1"],
}
ELSEWHERE = {
    "bench": "tests/experiments/test_benchmark_*.py",
    "table": "results of the checkout",
}


def commands() -> list[list[str]]:
    lines = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
    split = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in split if words and words[0] == "crosschroma"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder: photos, pictures to score, and small stand-ins for the datasets."""
    folder = tmp_path_factory.mktemp("reader")
    rng = np.random.default_rng(0)

    def write(path: Path, *shape: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / path)

    write(folder / "photo.jpg", 60, 80, 3)
    write(folder / "photos" / "a.png", 40, 50, 3)
    write(folder / "nir_photos" / "a.png", 40, 50)
    for split, count in (("train", 20), ("val", 2)):
        for index in range(count):
            write(folder / "data" / "imagenet_sample" / split / "n01" / f"{index}.jpg", 64, 64, 3)
    vcip = folder / "data" / "vcip2020"
    for key in split_lists.read("vcip-train-official"):
        write(vcip / "NIR" / f"{key}_nir.png", 16, 16)
        write(vcip / "RGB-Registered" / f"{key}_rgb_reg.png", 16, 16, 3)
    for key in split_lists.read("vcip-validation-official"):
        write(vcip / "Validation" / f"{key}_nir.png", 16, 16)
        write(vcip / "Validation" / f"{key}_rgb_reg.png", 16, 16, 3)
    for key in split_lists.read("vcip-test"):
        write(vcip / "Testing" / f"{key.lower()}_nir_reg.png", 16, 16)
        write(vcip / "Testing" / f"{key}_rgb_reg.png", 16, 16, 3)
    scenes = Scenes().split("test")
    for index, key in enumerate(scenes.keys):
        path = folder / "pictures" / f"{key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scenes.load(index)["rgb"]).save(path)
    return folder


@pytest.fixture(autouse=True)
def reader(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.delenv("CROSSCHROMA_DATA", raising=False)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_command(words: list[str], place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = words[0]
    if command in ELSEWHERE:
        pytest.skip(f"run by {ELSEWHERE[command]}")
    words = [*words, *SHORTER.get(command, [])]
    if command == "train" and "--run-dir" not in words:
        words += ["--run-dir", f"runs/{words[1]}"]
    if "--hardware.devices" in words:
        script = Path(sys.executable).parent / "crosschroma"
        done = subprocess.run([script, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        assert cli.run(words) == 0, capsys.readouterr()


def test_python(place: Path) -> None:
    if not (place / "runs" / "unet_scenes_gray").exists():
        assert (
            cli.run(["train", "unet_scenes_gray", "--smoke", "--run-dir", "runs/unet_scenes_gray"])
            == 0
        )
    codes = [text for language, text in BLOCKS if language == "python"]
    assert codes
    names: dict[str, np.ndarray] = {}
    for code in codes:
        exec(code, names)
    assert names["rgb"].shape == (60, 80, 3)
    assert names["rgb"].dtype == np.uint8


def test_what_is_named_exists() -> None:
    """Paths that README links to or names as files of the checkout."""
    linked = re.findall(r"\]\(([\w./-]+)\)", README.read_text())
    named = re.findall(
        r"`((?:models|tests|datasets|experiments|results)/[\w/.]+\w)`", README.read_text()
    )
    assert linked
    assert named
    for path in {*linked, *named}:
        assert (README.parent / path).exists(), path
