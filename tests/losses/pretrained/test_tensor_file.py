"""Weights files: what is read whatever its suffix, and what is refused without being run."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import payloads
import pytest
import torch
from crosschroma.datasets.base.errors import UserError
from crosschroma.losses.pretrained.tensor_file import read_content, read_named_tensors
from safetensors.torch import save_file

SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".npz", ".safetensors", ".ts", "")


@pytest.mark.parametrize("kind", payloads.KINDS)
def test_the_payloads_would_run(kind: str, tmp_path: Path) -> None:
    """Otherwise the tests of their refusal could not fail."""
    proof = tmp_path / "it ran"
    path = payloads.write_payload(kind, tmp_path / "x", proof)
    assert not proof.exists()
    if kind == "torchscript":
        torch.jit.load(str(path))
    elif kind == "npz":
        _ = np.load(path, allow_pickle=True)["conv1.weight"]
    elif kind == "pickle":
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert proof.exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", payloads.KINDS)
def test_no_payload_runs_under_any_suffix(kind: str, suffix: str, tmp_path: Path) -> None:
    proof = tmp_path / "it ran"
    path = payloads.write_payload(kind, tmp_path / f"x{suffix}", proof)
    for mapped in (False, True):
        with pytest.raises(UserError, match=r"x") as refusal:
            read_content(path, mapped)
        assert "weights_only" not in str(refusal.value)
        assert "\n" not in str(refusal.value)
    assert not proof.exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_content_says_what_a_file_is(suffix: str, tmp_path: Path) -> None:
    state = {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(1)}
    path = tmp_path / f"x{suffix}"
    with path.open("wb") as file:
        np.savez(file, **{name: value.numpy() for name, value in state.items()})
    forms = [path.read_bytes()]
    save_file(state, path)
    forms.append(path.read_bytes())
    for new in (True, False):
        torch.save(state, path, _use_new_zipfile_serialization=new)
        forms.append(path.read_bytes())
    for form in forms:
        path.write_bytes(form)
        tensors = read_named_tensors(path)
        assert tensors.keys() == state.keys()
        assert torch.equal(tensors["a.weight"], state["a.weight"])


@pytest.mark.parametrize("around", ["params", "state_dict", "model", "state_dict_ema"])
def test_what_training_programs_wrap_around_weights_is_taken_off(
    around: str, tmp_path: Path
) -> None:
    torch.save({around: {"module.a": torch.ones(1)}, "epoch": 3}, tmp_path / "x.ckpt")
    assert list(read_named_tensors(tmp_path / "x.ckpt")) == ["a"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"a": torch.ones(1), "b": 3}, "holds no weights by name"),
        ([torch.ones(1)], "holds no weights by name"),
        ({}, "holds no weights by name"),
        ({1: torch.ones(1)}, "holds no weights by name"),
    ],
)
def test_other_content_is_refused(content: object, text: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(UserError, match=rf"x\.pth {text}"):
        read_named_tensors(tmp_path / "x.pth")


@pytest.mark.parametrize("data", [b"", b"text", b"12345678{", b"PK\x03\x04junk", b"\x80\x02."])
def test_damaged_files_are_named(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(data)
    with pytest.raises(UserError, match=r"x\.pth is"):
        read_named_tensors(tmp_path / "x.pth")
    with pytest.raises(UserError, match=r"no file .*none\.pth"):
        read_named_tensors(tmp_path / "none.pth")
