"""Weights of a trained run, for evaluation and for methods that start from another run."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ...datasets.base.errors import UserError

NONE = "none"  # in settings, instead of a run
_MODULE = "module."  # what torch's AveragedModel puts before its weights' names
_FOREIGN = (AttributeError, KeyError, TypeError, ValueError)  # what another file's content raises


def inference_weights(
    checkpoint: Mapping[str, Any], networks: Iterable[str]
) -> dict[str, dict[str, Tensor]]:
    """The weights that a run would ship: a best checkpoint's, else the averages, else the last.

    Args:
        checkpoint: what ``best.pt`` or ``last.pt`` holds.
        networks: names of the networks used at inference.

    Returns:
        Network -> its state.

    Raises:
        KeyError: the checkpoint lacks a network.
    """
    if "inference" in checkpoint:
        return {name: checkpoint["inference"][name] for name in networks}
    averages = checkpoint["average"]
    if averages is None:
        return {name: checkpoint["networks"][name] for name in networks}
    return {
        name: {
            key.removeprefix(_MODULE): value
            for key, value in averages[name].items()
            if key.startswith(_MODULE)
        }
        for name in networks
    }


def run_file(run: Path) -> Path:
    """The weights of a run's folder: its best checkpoint, or its last; a file is itself."""
    if not run.is_dir():
        return run
    best = run / "best.pt"
    return best if best.is_file() else run / "last.pt"


def run_name(weights: str) -> str:
    """Of a run's folder, checkpoint or shipped file, without where it lies on this machine."""
    path = Path(weights)
    return path.parent.name if path.suffix == ".pt" else path.name


def load_start(generator: nn.Module, start: str, option: str, settings: str) -> str:
    """Load what another run's generator has learnt.

    Args:
        generator: named alike in its parts and of the same shapes.
        start: the run's folder, a checkpoint, or a file of ``ship``.
        option: the setting that named ``start``, for the error.
        settings: those that the generator was made by, for the error.

    Returns:
        What was loaded.

    Raises:
        UserError: no such file, or it does not fit.
    """
    path = run_file(Path(start))
    weights = read_run_weights(path, "generator", option)
    load_fitting(generator, weights, f"{option} {path}", settings)
    return f"starts from {path}"


def load_fitting(network: nn.Module, weights: dict[str, Tensor], what: str, settings: str) -> None:
    """Load weights, or say which settings they do not fit."""
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(f"{what} does not fit the settings {settings}: {error}") from error


def read_run_weights(path: Path, network: str, option: str) -> dict[str, Tensor]:
    """One network's inference weights from a checkpoint; runs no code that the file may hold.

    Args:
        path: ``best.pt`` or ``last.pt`` of a run, or a ``.safetensors`` file of shipped weights.
        network: its name.
        option: the setting that named ``path``, for the error.

    Raises:
        UserError: no such file, or one that does not hold the network.
    """
    try:
        if path.suffix == ".safetensors":
            return _shipped_weights(path, network)
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        return inference_weights(checkpoint, [network])[network]
    except (
        *(OSError, EOFError, RuntimeError, pickle.UnpicklingError, SafetensorError),
        *_FOREIGN,
    ) as error:
        raise UserError(
            f"{option} {path}: no checkpoint with a {network} ({error}); name a run's best.pt or "
            "last.pt, or take none"
        ) from error


def _shipped_weights(path: Path, network: str) -> dict[str, Tensor]:
    prefix = f"{network}."
    found = {
        name.removeprefix(prefix): value.float() if value.is_floating_point() else value
        for name, value in load_file(path).items()
        if name.startswith(prefix)
    }
    if not found:
        raise KeyError(network)
    return found
