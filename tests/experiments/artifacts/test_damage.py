"""Files of tensors whose bytes have changed: named wherever they are read, never used."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from crosschroma.datasets.base.errors import Note, UserError
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts import checkpoint, weights_file
from crosschroma.experiments.deploy import export
from crosschroma.experiments.experiment import Experiment, Hardware
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.training.engine import fit
from crosschroma.losses.pretrained.tensor_file import content_sha256
from crosschroma.models.base import shipped_weights
from crosschroma.models.base.weights import PREVIOUS, read_run_weights
from PIL import Image

CPU = Hardware(accelerator="cpu", workers=0)


@pytest.fixture
def run(unet: Experiment, tmp_path: Path) -> Path:
    fit(unet, tmp_path / "run", CPU)
    return tmp_path / "run"


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def error_of(path: Path, load: Callable[[], object], whole: str) -> str:
    """The file's name where an error has it, nothing where the content is as it was."""
    try:
        return "" if content_sha256(load()) == whole else "other content"
    except UserError as error:
        return path.name if path.name in str(error) else str(error)


def found_everywhere(path: Path, load: Callable[[], object], positions: int = 60) -> None:
    """A changed byte is refused; or it is one of those between the parts, and nothing differs."""
    data = path.read_bytes()
    whole = content_sha256(load())
    refused = 0
    for at in np.linspace(0, len(data) - 1, positions).astype(int):
        path.write_bytes(flipped(data, at))
        error = error_of(path, load, whole)
        assert error in ("", path.name), at
        refused += error != ""
    path.write_bytes(data)
    assert refused > positions / 2


def test_a_changed_byte_of_a_checkpoint_is_found(run: Path) -> None:
    for path in (run / checkpoint.LAST, run / checkpoint.BEST):
        found_everywhere(path, lambda path=path: checkpoint.load_checkpoint(path))


def test_a_changed_byte_of_a_shipped_file_is_found(run: Path, tmp_path: Path) -> None:
    path = weights_file.ship(run, tmp_path / "w.safetensors")

    def load() -> object:
        trained = weights_file.load_weights_file(path)
        return {"weights": trained.method.state_dict(), "starts": trained.starts}

    found_everywhere(path, load)


@pytest.mark.parametrize("to", ["onnx", "torchscript"])
def test_a_changed_byte_of_an_export_is_found(
    to: export.ExportFormat, run: Path, tmp_path: Path
) -> None:
    if to == "onnx":
        pytest.importorskip("onnxruntime")
    path = export.export(run, to, tmp_path / "out").path
    nir = torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(0))
    found_everywhere(path, lambda: Colorizer.load(path, trust=True)(nir), 20)


def test_every_reader_names_it(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = run / checkpoint.BEST
    state = checkpoint.load_checkpoint(best)
    hashed = torch.load(best, weights_only=True)
    state["inference"]["generator"]["head.bias"] += 1
    torch.save({**state, "sha256": hashed["sha256"]}, best)
    Image.new("L", (32, 32)).save(tmp_path / "a.png")
    for words in (
        ["evaluate", str(run)],
        ["colorize", str(tmp_path / "a.png"), "--run", str(run), "--out", str(tmp_path / "out")],
        ["export", str(run), "--to", "safetensors", "--out", str(tmp_path / "out")],
        ["ship", str(run), "--out", str(tmp_path / "out")],
    ):
        assert cli.run(words) == 1
        assert f"{best} is damaged: its content has not the hash" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"best\.pt is damaged"):
        read_run_weights(str(run), ["generator"], "--method.teacher-weights")
    assert not (tmp_path / "out").exists()


def test_a_damaged_last_offers_the_one_before(unet: Experiment, run: Path) -> None:
    last, previous = run / checkpoint.LAST, run / PREVIOUS
    finished = last.read_bytes()
    assert checkpoint.load_checkpoint(previous)["step"] == 3
    last.write_bytes(flipped(finished, len(finished) // 2))
    with pytest.raises(UserError, match=r"last\.pt is damaged.* of step 3: `mv .*previous\.pt"):
        fit(unet, run, CPU, resume=True)
    shutil.move(previous, last)
    fit(unet, run, CPU, resume=True)
    weights, expected = checkpoint.load_checkpoint(last), tmp_state(run, finished)
    assert content_sha256(weights["networks"]) == content_sha256(expected["networks"])
    last.write_bytes(b"")
    previous.write_bytes(b"")
    with pytest.raises(UserError, match=r"last\.pt is damaged") as error:
        fit(unet, run, CPU, resume=True)
    assert "mv" not in str(error.value)


def tmp_state(run: Path, data: bytes) -> dict:
    path = run / "copy.pt"
    path.write_bytes(data)
    return checkpoint.load_checkpoint(path)


def test_files_of_before_load_with_a_word(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = run / checkpoint.BEST
    torch.save(checkpoint.load_checkpoint(best), best)
    with pytest.warns(Note, match=r"best\.pt states no hash of its content"):
        checkpoint.load_trained(run)
    Image.new("L", (32, 32)).save(tmp_path / "a.png")
    words = ["colorize", str(tmp_path / "a.png"), "--run", str(run), "--out", str(tmp_path / "out")]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert cli.run([*words, "--overwrite"]) == 0
    assert f"note: {best} states no hash of its content" in capsys.readouterr().err


def test_shipped_weights_state_their_hash(tmp_path: Path) -> None:
    known = shipped_weights.shipped_weights()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in known:
            weights_file.load_any(name)
    data = known["zhang16_photos"].read_bytes()
    path = tmp_path / "zhang16_photos.safetensors"
    path.write_bytes(flipped(data, len(data) // 2))
    with pytest.raises(UserError, match=r"zhang16_photos\.safetensors is damaged: its content"):
        weights_file.load_any(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(
    value: float, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = checkpoint.load_checkpoint(run / checkpoint.BEST)
    state["inference"]["generator"]["head.bias"][0] = value
    checkpoint.save_checkpoint(run / checkpoint.BEST, state)
    Image.new("L", (32, 32)).save(tmp_path / "a.png")
    for words in (["evaluate", str(run)], ["colorize", str(tmp_path / "a.png"), "--run", str(run)]):
        assert cli.run(words) == 1
        assert "generator.head.bias holds NaN or infinite numbers" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"generator\.head\.bias holds NaN"):
        read_run_weights(str(run), ["generator"], "--method.start")
