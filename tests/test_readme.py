"""README's commands and its Python, run as a reader would, in order, on small data."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tyro
from crosschroma.datasets.base import split_lists
from crosschroma.datasets.scenes.adapter import Scenes
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts import checkpoint
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]
README = REPOSITORY / "README.md"
SCRIPT = Path(sys.executable).with_name("crosschroma")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
# what takes minutes or hours for a reader is shortened for the test
SHORTER = {
    "train": ["--smoke", "--overwrite"],
    "reproduce": ["--budget", "smoke", "--overwrite"],
    "compress": ["--finetune", "1", "--images", "2", "--repeats", "1"],
    "table": ["--readme", "None"],
}
ELSEWHERE = {"bench": "tests/experiments/benchmarks"}
SECTIONS = ("Colour a photo", "Colour a folder of NIR pictures", "Add a method")
SECTIONS = (*SECTIONS, "Reproduce a row", "Train on several machines")


def commands() -> list[list[str]]:
    lines = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
    split = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in split if words and words[0] == "crosschroma"]


def python() -> list[str]:
    return [text for language, text in BLOCKS if language == "python"]


def file_of(code: str) -> str:
    """The file that a block says it is, in its first line; "" for one that is to be run."""
    found = re.match(r"# (\S+\.py)\n", code)
    return found[1] if found else ""


def block_with(text: str) -> str:
    (block,) = [block for _, block in BLOCKS if text in block]
    return block


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder: photos, pictures to score, and small stand-ins for the datasets."""
    folder = tmp_path_factory.mktemp("reader")
    rng = np.random.default_rng(0)

    def write(path: Path, *shape: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / path)

    write(folder / "photo.jpg", 60, 80, 3)
    clip = cv2.VideoWriter(str(folder / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (64, 48))
    for _ in range(4):
        clip.write(rng.integers(0, 256, (48, 64, 3), np.uint8))
    clip.release()
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
        done = subprocess.run([SCRIPT, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        assert cli.run(words) == 0, capsys.readouterr()


def test_python(place: Path) -> None:
    if not (place / "runs" / "unet_scenes_gray").exists():
        assert (
            cli.run(["train", "unet_scenes_gray", "--smoke", "--run-dir", "runs/unet_scenes_gray"])
            == 0
        )
    codes = [text for text in python() if not file_of(text)]
    assert codes
    names: dict[str, np.ndarray] = {}
    for code in codes:
        exec(code, names)
    assert names["rgb"].shape == (60, 80, 3)
    assert names["rgb"].dtype == np.uint8


def test_there_are_five_recipes() -> None:
    text = README.read_text()
    recipes = text[text.index("## Five recipes\n") :].partition("\n## ")[0]
    heads = re.findall(r"^### (.*)$", recipes, re.MULTILINE)
    assert heads == list(SECTIONS)
    for part in recipes.split("\n### ")[1:]:
        assert "```" in part, "a recipe without anything to run"


@pytest.fixture(scope="module")
def with_the_method(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the code into which a reader has pasted README's new method."""
    folder = tmp_path_factory.mktemp("checkout")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("models", "datasets", "losses", "experiments"):
        shutil.copytree(REPOSITORY / name, folder / "crosschroma" / name, ignore=ignore)
    for name in ("conftest.py", "models/test_recipes.py"):
        (folder / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / "tests" / name, folder / "tests" / name)
    for code in filter(file_of, python()):
        path = folder / "crosschroma" / file_of(code)
        assert not path.exists(), "README's new method has the name of one that is there"
        path.write_text(code)
    return folder


def run_in(folder: Path, *words: str | Path) -> str:
    """Run Python there, with the code of that checkout; what it wrote."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_added_method_is_found_and_trains(with_the_method: Path) -> None:
    """Its files, as README prints them; the two commands in one process, to spare an import."""
    code = """
from crosschroma.experiments import cli
assert cli.run(["train", "two_layers_scenes", "--smoke", "--run-dir", "run"]) == 0
assert cli.run(["evaluate", "run", "--metrics", "PSNR", "AE"]) == 0
"""
    out = run_in(with_the_method, "-c", code)
    assert "trained: run" in out
    assert "two_layers on scenes" in out


@pytest.mark.slow
def test_the_added_method_passes_what_every_recipe_must(with_the_method: Path) -> None:
    words = shlex.split(block_with("pytest tests/"))
    out = run_in(with_the_method, "-m", *words, "-p", "no:cacheprovider")
    passed = re.search(r"(\d+) passed", out)
    assert passed
    assert int(passed[1]) >= 10, out


def torchrun_words() -> list[str]:
    return shlex.split(block_with("torchrun --nnodes").replace("\\\n", " "))


def test_the_line_for_several_machines_is_understood() -> None:
    """By torchrun and by ours, and the two agree; run as it stands by the slow test below."""
    from crosschroma.experiments import recipe_list
    from crosschroma.experiments.commands.train import TrainOptions
    from torch.distributed.run import get_args_parser

    words = torchrun_words()
    parser: argparse.ArgumentParser = get_args_parser()
    launch = parser.parse_args(words[1:])
    assert launch.no_python
    assert launch.training_script == "crosschroma"
    command, recipe, *settings = launch.training_script_args
    assert command == "train"
    default = TrainOptions(experiment=recipe_list.load(recipe))
    hardware = tyro.cli(TrainOptions, args=settings, default=default).hardware
    assert (hardware.nodes, hardware.devices) == (int(launch.nnodes), int(launch.nproc_per_node))


@pytest.mark.slow
@pytest.mark.ddp
def test_the_line_for_several_machines_trains_on_two(place: Path) -> None:
    """Two launchers on this machine, one process each, instead of two machines of four devices."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    line = shlex.join(torchrun_words()).replace("HOST:29500", f"localhost:{port}")
    for option in ("--nproc-per-node 4", "--hardware.devices 4"):
        assert option in line
        line = line.replace(option, f"{option[:-1]}1")
    words = [*shlex.split(line), "--smoke", "--run-dir", "runs/machines"]
    words += ["--hardware.accelerator", "cpu", "--hardware.workers", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{SCRIPT.parent}{os.pathsep}{environment['PATH']}"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    machines = [subprocess.Popen(words, env=environment, **pipes) for _ in range(2)]
    outputs = [machine.communicate(timeout=400)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], "\n".join(outputs)
    assert sum("trained: runs/machines" in output for output in outputs) == 1
    state = checkpoint.load_checkpoint(place / "runs" / "machines" / checkpoint.LAST)
    assert state["step"] == 2
    assert len(state["random"]) == 2, "one random state a process"


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
