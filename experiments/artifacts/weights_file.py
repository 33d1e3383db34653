"""Weights in one small file, to be shipped: what inference needs and what made it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypedDict

import torch
from safetensors.torch import save as to_bytes

from ...datasets.base.atomic_write import write_atomic
from ...datasets.base.bounds import Natural, NotNegative
from ...datasets.base.errors import UserError
from ...datasets.base.json_file import parse_json
from ...losses.pretrained.tensor_file import content_sha256
from ...models.base.hub_weights import is_hub_address
from ...models.base.shipped_weights import SUFFIX
from ...models.base.weights import (
    HASH,
    Start,
    load_strictly,
    missing_run,
    read_shipped,
    shipped_content,
    weights_path,
)
from ..experiment import Experiment
from ..settings import from_plain
from .checkpoint import Trained, load_trained, weights_sha256
from .provenance import portable_settings

_FORMAT = "crosschroma-weights-1"


class _About(TypedDict):
    """The JSON in a file of weights."""

    experiment: dict[str, Any]
    step: Natural | None
    steps: Natural | None
    train_s: NotNegative
    starts: list[Start]


def ship(run: Path, out: Path, which: str = "result") -> Path:
    """Write a trained method's inference weights and settings into one file.

    Kernels and matrices are stored in half precision. The data's folder is left out.

    Args:
        run: a run's folder or a checkpoint.
        out: a ``.safetensors`` file, or a folder that gets ``<recipe>.safetensors``.
        which: as ``load_trained``'s.

    Returns:
        The file.
    """
    return write_weights_file(load_trained(run, which), out)


def write_weights_file(trained: Trained, out: Path, half: bool = True) -> Path:
    """``ship`` for a method at hand; ``half`` as ``packed``'s."""
    path = out if out.suffix == SUFFIX else out / f"{trained.experiment.name}{SUFFIX}"
    data = packed(trained, half)
    write_atomic(path, lambda file: file.write(data))
    return path


def packed(trained: Trained, half: bool = True) -> bytes:
    """The content of such a file; ``half``: kernels and matrices in half precision."""
    experiment = trained.experiment
    about = {
        "experiment": portable_settings(experiment),
        "step": trained.step,
        "steps": trained.steps,
        "train_s": trained.train_s,
        "starts": trained.starts,
    }
    tensors = {
        f"{name}.{key}": _stored(value, half)
        for name in trained.method.inference_networks
        for key, value in trained.method.get_submodule(name).state_dict().items()
    }
    text = json.dumps(about)
    digest = content_sha256(shipped_content(text, tensors))
    return to_bytes(tensors, {"format": _FORMAT, "about": text, HASH: digest})


def load_weights_file(path: Path) -> Trained:
    """A method from a file of ``ship``, strictly loaded, in eval mode and float32.

    Raises:
        UserError: no such file, a damaged or foreign one, or weights that do not fit.
    """
    if not path.is_file():
        raise missing_run(path)
    metadata, weights = read_shipped(path)
    if metadata.get("format") != _FORMAT:
        raise UserError(f"{path} was not written by `crosschroma ship` ({_FORMAT})")
    about: _About = parse_json(metadata.get("about", ""), _About, str(path), "file of weights")
    experiment = from_plain(about["experiment"], Experiment, str(path))
    method = experiment.method.build()
    if surplus := sorted(weights.keys() - set(method.inference_networks)):
        raise UserError(f"{path} holds {', '.join(surplus)}, which {method.name} does not have")
    for name in method.inference_networks:
        load_strictly(method.get_submodule(name), weights.get(name, {}), f"{path}: {name}")
    return Trained(
        method=method.eval(),
        experiment=experiment,
        weights_sha256=weights_sha256(weights),
        path=path,
        step=about["step"],
        steps=about["steps"],
        train_s=about["train_s"],
        starts=about["starts"],
    )


def load_any(run: Path | str, which: str = "result", output: str | None = None) -> Trained:
    """From a run's folder, a checkpoint, a file of ``ship``, a shipped name, or the Hub.

    Args:
        run: as ``weights_path``'s.
        which: as ``load_trained``'s.
        output: one of the method's outputs; default what it was trained to return.

    Raises:
        UserError: as ``load_trained`` and ``load_weights_file``; an output that the method does not
            have.
    """
    is_file = Path(run).suffix == SUFFIX and not is_hub_address(run)
    path = Path(run) if is_file else weights_path(run, which)
    trained = load_weights_file(path) if path.suffix == SUFFIX else load_trained(path, which)
    return trained if output is None else trained.with_output(output)


def _stored(value: torch.Tensor, half: bool) -> torch.Tensor:
    """Running variances of normalisations, and other vectors, may exceed half precision."""
    halved = half and value.is_floating_point() and value.ndim > 1
    return (value.half() if halved else value).contiguous()
