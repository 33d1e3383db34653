"""Weights files that would run code on loading: each makes the file ``proof``."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import torch
from torch import nn


class Attack:
    """An object whose unpickling runs a command."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple:
        return os.system, (f"touch '{self.proof}'",)


class Writer(nn.Module):
    """A TorchScript program that writes a file while it is loaded."""

    def __init__(self, proof: str) -> None:
        super().__init__()
        self.proof = proof

    def forward(self, plane: torch.Tensor) -> torch.Tensor:
        return plane

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return (self.proof, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.proof = state[0]
        self.training = state[1]
        torch.save(torch.zeros(1), state[0])


def write_payload(kind: str, path: Path, proof: Path) -> Path:
    """Write a file of one of ``KINDS``."""
    KINDS[kind](path, proof)
    return path


def _npz(path: Path, proof: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, **{"conv1.weight": np.array([Attack(proof)], dtype=object)})


def _legacy(path: Path, proof: Path) -> None:
    torch.save({"a": Attack(proof)}, path, _use_new_zipfile_serialization=False)


KINDS = {
    "pickle": lambda path, proof: path.write_bytes(pickle.dumps({"a": Attack(proof)})),
    "torch": lambda path, proof: torch.save({"state_dict": {"a": Attack(proof)}}, path),
    "legacy": _legacy,
    "npz": _npz,
    "torchscript": lambda path, proof: torch.jit.script(Writer(str(proof))).save(str(path)),
}
