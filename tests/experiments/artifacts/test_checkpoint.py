from __future__ import annotations

import os
import pickle
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.artifacts import checkpoint
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.training.engine import fit


@pytest.fixture
def run(unet: Experiment, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    fit(unet, folder, Hardware(accelerator="cpu", workers=0))
    return folder


def test_a_trained_system_carries_its_experiment(run: Path, unet: Experiment) -> None:
    trained = checkpoint.load_trained(run)
    assert trained.experiment == unet
    assert not trained.method.training
    assert trained.path.name == checkpoint.BEST
    again = checkpoint.load_trained(run / checkpoint.BEST)
    assert again.weights_sha256 == trained.weights_sha256
    assert checkpoint.load_trained(run, "last").path.name == checkpoint.LAST


def test_the_experiment_names_its_result(pix2pix: Experiment, tmp_path: Path) -> None:
    last = replace(pix2pix, training=replace(pix2pix.training, result="last"))
    fit(last, tmp_path, Hardware(accelerator="cpu", workers=0))
    assert checkpoint.load_trained(tmp_path).path.name == checkpoint.LAST
    assert checkpoint.load_trained(tmp_path, "best").path.name == checkpoint.BEST


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "damaged or holds no weights"),
        (b"not a checkpoint at all", "is refused: it is damaged"),
    ],
)
def test_foreign_files_are_named(content: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"x.pt.*{text}"):
        checkpoint.load_checkpoint(path)


def test_a_half_written_copy_is_named(run: Path) -> None:
    path = run / checkpoint.BEST
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=r"best\.pt"):
        checkpoint.load_trained(run)


def test_weights_of_something_else_are_named(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "x.pt")
    with pytest.raises(UserError, match=r"x\.pt is not a crosschroma checkpoint"):
        checkpoint.load_checkpoint(tmp_path / "x.pt")


class _Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("plain_pickle", [True, False])
def test_a_checkpoint_cannot_run_code(plain_pickle: bool, tmp_path: Path) -> None:
    path, proof = tmp_path / "x.pt", tmp_path / "it ran"
    attack = {"format": 1, "inference": _Attack(proof)}
    if plain_pickle:
        path.write_bytes(pickle.dumps(attack))
    else:
        torch.save(attack, path)
    with pytest.raises(UserError, match="refused"):
        checkpoint.load_checkpoint(path)
    assert not proof.exists()


def test_a_checkpoint_cannot_name_foreign_classes(run: Path) -> None:
    state = checkpoint.load_checkpoint(run / checkpoint.BEST)
    state["experiment"]["method"] = {"type": "..os:system"}
    checkpoint.save_checkpoint(run / checkpoint.BEST, state)
    with pytest.raises(UserError, match="unknown settings type"):
        checkpoint.load_trained(run)


def test_weights_that_do_not_fit_are_named(run: Path) -> None:
    state = checkpoint.load_checkpoint(run / checkpoint.BEST)
    weights = state["inference"]["generator"]
    weights["stray"] = weights.pop("head.bias")
    checkpoint.save_checkpoint(run / checkpoint.BEST, state)
    with pytest.raises(UserError, match=r"(?s)generator does not fit.*head\.bias.*stray"):
        checkpoint.load_trained(run)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run"):
        checkpoint.load_trained(tmp_path / "typo")
    with pytest.raises(UserError, match=r"no checkpoint.*last\.pt"):
        checkpoint.load_trained(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 600 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_keeps_the_old_checkpoint(small_disk: Path) -> None:
    path = small_disk / checkpoint.LAST
    checkpoint.save_checkpoint(path, {"weights": torch.zeros(50_000)})
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"cannot write .*untouched"):
        checkpoint.save_checkpoint(path, {"weights": torch.zeros(200_000)})
    assert path.read_bytes() == before
    assert [entry.name for entry in small_disk.iterdir()] == [checkpoint.LAST]


def test_an_output_that_cannot_be_a_folder(unet: Experiment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        fit(unet, tmp_path / "file" / "run", Hardware(accelerator="cpu", workers=0))
