"""What README and the READMEs of the folders say to run, run in order, on small data."""

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
ROOMS = ("datasets", "experiments", "losses", "models", "results", "tests")
OF_FOLDERS = [path for room in ROOMS for path in sorted((REPOSITORY / room).rglob("README.md"))]
BLOCKS = [
    block
    for path in [README, *OF_FOLDERS]
    for block in re.findall(r"^```(\w*)\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
]
# what takes minutes or hours for a reader is shortened for the test
SHORTER = {
    "train": ["--smoke"],
    "reproduce": ["--budget", "smoke"],
    "compress": ["--finetune", "1", "--count", "2", "--repeats", "1"],
    "score": ["--size", "64"],
    "data detail": ["--view-size", "64"],
    "table": ["--readme", "None"],
}
ELSEWHERE = {"bench": "tests/experiments/benchmarks"}


def commands() -> list[list[str]]:
    """Every command once, where it stands first."""
    lines = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
    split = [tuple(shlex.split(line, comments=True)) for line in lines]
    return [list(words[1:]) for words in dict.fromkeys(split) if words[:1] == ("crosschroma",)]


def python() -> list[str]:
    return [text for language, text in BLOCKS if language == "python"]


def file_of(code: str) -> str:
    """The file that a block says it is, in its first line; "" for one that is to be run."""
    name = re.match(r"# (\S+\.py)\n", code)
    return name[1] if name else ""


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
    (hints,) = re.findall(r"`(\[\{.*\}\])`", README.read_text())
    (folder / "hints.json").write_text(hints)
    write(folder / "nir_photos" / "a.png", 40, 50)
    for split, count in (("train", 20), ("val", 2)):
        for index in range(count):
            write(folder / "data" / "imagenet_sample" / split / "n01" / f"{index}.jpg", 64, 64, 3)
    vcip = folder / "data" / "vcip2020"
    for key in split_lists.read_split_list("vcip-train-official"):
        write(vcip / "NIR" / f"{key}_nir.png", 16, 16)
        write(vcip / "RGB-Registered" / f"{key}_rgb_reg.png", 16, 16, 3)
    for key in split_lists.read_split_list("vcip-validation-official"):
        write(vcip / "Validation" / f"{key}_nir.png", 16, 16)
        write(vcip / "Validation" / f"{key}_rgb_reg.png", 16, 16, 3)
    for key in split_lists.read_split_list("vcip-test"):
        write(vcip / "Testing" / f"{key.lower()}_nir_reg.png", 16, 16)
        write(vcip / "Testing" / f"{key}_rgb_reg.png", 16, 16, 3)
    for key in Scenes().split("test").keys:
        write(folder / "pictures" / f"{key}.png", 64, 64, 3)
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
    words = [*words, *SHORTER.get(command, SHORTER.get(" ".join(words[:2]), []))]
    if command == "train" and "--run-dir" not in words:
        words += ["--run-dir", f"runs/{words[1]}"]
    if "--hardware.devices" in words:
        done = subprocess.run([SCRIPT, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        assert cli.run(words) == 0, capsys.readouterr()


def test_python(place: Path) -> None:
    colored = place / "photo_colored.png"
    colored.unlink(missing_ok=True)
    codes = [text for text in python() if not file_of(text)]
    assert codes
    for code in codes:
        exec(code, {})
    with Image.open(colored) as image:
        assert (image.size, image.mode) == ((80, 60), "RGB")


def test_the_front_page_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 200
    rooms = [REPOSITORY / room / "README.md" for room in ROOMS if room != "results"]
    for path in rooms:
        assert len(path.read_text().splitlines()) < 60, path


@pytest.fixture(scope="module")
def with_the_method(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the code into which a reader has pasted the new method of a README."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("models", "datasets", "losses", "experiments"):
        shutil.copytree(REPOSITORY / name, folder / "crosschroma" / name)
    package = REPOSITORY / "experiments" / "package" / "__init__.py"
    shutil.copy(package, folder / "crosschroma")
    for name in (
        "conftest.py",
        "helpers/batches.py",
        "helpers/networks.py",
        "models/test_recipes.py",
    ):
        (folder / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / "tests" / name, folder / "tests" / name)
    for code in filter(file_of, python()):
        path = folder / "crosschroma" / file_of(code)
        assert not path.exists(), "README's new method has the name of one that is there"
        path.write_text(code)
    return folder


def run_in(folder: Path, *words: str | Path) -> str:
    """Run Python there, with the code of that checkout; what it wrote."""
    paths = os.pathsep.join([str(folder), str(folder / "tests" / "helpers")])
    environment = {**os.environ, "PYTHONPATH": paths}
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
    words = shlex.split(block_with("-k two_layers"))
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
    default = TrainOptions(experiment=recipe_list.load_recipe(recipe))
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


@pytest.mark.parametrize(
    "path", [README, *OF_FOLDERS], ids=lambda path: str(path.relative_to(REPOSITORY))
)
def test_what_is_named_exists(path: Path) -> None:
    """Files and folders that are linked to, or named as parts of the checkout."""
    text = path.read_text()
    linked = re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", text)
    named = re.findall(r"`((?:models|tests|datasets|experiments|results)/[\w/.]+\w)`", text)
    assert [name for name in linked if not (path.parent / name).exists()] == []
    assert [name for name in named if not (REPOSITORY / name).exists()] == []
