"""Checkpoints: everything that a run needs to go on, and weights that evaluation can load."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np
import torch

from ...datasets.base.atomic_write import write_atomic
from ...datasets.base.errors import UserError
from ...datasets.base.json_file import from_json
from ...losses.pretrained.tensor_file import content_sha256
from ...models.base.hub_weights import cached_address
from ...models.base.method import Method
from ...models.base.weights import (
    BEST,
    FORMAT,
    HASH,
    LAST,
    PREVIOUS,
    Start,
    inference_weights,
    load_checkpoint,
    load_strictly,
    require_finite,
    weights_path,
)
from ..experiment import Experiment
from ..settings import from_plain


@dataclass(frozen=True)
class Trained:
    """A trained method: the method in eval mode and what its files say of it.

    Attributes:
        method: the method, with the weights of ``path``.
        experiment: what was run.
        step: optimisation steps behind the weights; ``steps`` those of the whole run. ``None``
            where they are unknown: in weights that were imported.
        train_s: seconds that the whole run trained.
        starts: provenance of each start of the run (see ``provenance``), or of the import.
        weights_sha256: of the networks used at inference.
        path: the file.
        output: which of its outputs the method was asked for, "" where it was not.
    """

    method: Method
    experiment: Experiment
    step: int | None
    steps: int | None
    train_s: float
    starts: list[Start]
    weights_sha256: str
    path: Path
    output: str = ""

    @property
    def address(self) -> str:
        """What finds the weights again: ``hf://user/name@commit``, or else their file."""
        return str(cached_address(self.path) or self.path.resolve())

    @property
    def file(self) -> str:
        """The weights' file for committed files: without its folder, or as ``address``."""
        return str(cached_address(self.path) or self.path.name)

    def with_output(self, output: str) -> Trained:
        """The same weights, put to another use; the experiment's name tells which.

        Raises:
            UserError: the method has no such output.
        """
        experiment = self.experiment
        config = experiment.method.with_output(output)
        method = config.build()
        method.load_state_dict(self.method.state_dict())
        return replace(
            self,
            method=method.eval(),
            experiment=replace(experiment, name=f"{experiment.name}:{output}", method=config),
            output=output,
        )


def started_from(starts: Sequence[Mapping[str, Any]]) -> str:
    """Of a run that began with another's weights, which these were; "" of others."""
    texts = [
        f"weights of {start.get('run')} ({str(start.get('weights_sha256'))[:12]}), learnt from "
        f"{start.get('learnt_from')}"
        for start in (entry.get("from") for entry in starts)
        if isinstance(start, Mapping)
    ]
    return "; ".join(texts)


def save_checkpoint(path: Path, state: dict[str, Any], keep: Path | None = None) -> None:
    """Write a checkpoint of tensors and plain values; atomic, flushed to disk.

    Args:
        path: the file.
        state: its content; the SHA-256 of it is written with it.
        keep: where the checkpoint that it replaces stays.
    """
    content = {"format": FORMAT, **state}
    hashed = {**content, HASH: content_sha256(content)}
    write_atomic(path, lambda file: torch.save(hashed, file), keep)


def load_last(run: Path) -> dict[str, Any]:
    """The last checkpoint of a run's folder, to go on from.

    Raises:
        UserError: it is missing or damaged; the older one is offered where that is whole.
    """
    last, previous = run / LAST, run / PREVIOUS
    try:
        return load_run(last)
    except UserError as error:
        try:
            step = load_run(previous)["step"]
        except UserError:
            raise error from None
        raise UserError(
            f"{error}. The one before it is whole, of step {step}: `mv {previous} {last}`, then "
            "--resume goes on from there"
        ) from error


def remove_unfinished(folder: Path) -> None:
    """Delete what a process that was killed while it saved has left."""
    for name in (LAST, BEST, PREVIOUS):
        for path in folder.glob(f".{name}.*"):
            path.unlink(missing_ok=True)


class _OfRun(TypedDict):
    """What every checkpoint says of its run, beside the weights."""

    experiment: dict[str, Any]
    starts: list[Start]
    step: int
    train_s: float


def load_run(path: Path, mapped: bool = False) -> dict[str, Any]:
    """``load_checkpoint`` of one that says what was run, as all that training writes do.

    Raises:
        UserError: as ``load_checkpoint``, or it does not.
    """
    return from_json(load_checkpoint(path, mapped), _OfRun, str(path), "checkpoint of a run")


def load_trained(run: Path, which: str = "result") -> Trained:
    """The method of a run's folder or of a checkpoint file, strictly loaded, in eval mode.

    Args:
        run: a run's folder, or a checkpoint file.
        which: as ``weights_path``'s.

    Raises:
        UserError: nothing to load, or weights that do not fit, by name.
    """
    path = weights_path(run, which)
    state = load_run(path)
    last = path.parent / LAST
    whole = load_run(last, mapped=True) if path.name == BEST and last.is_file() else state
    experiment = from_plain(state["experiment"], Experiment, str(path))
    method = experiment.method.build()
    weights = inference_weights(state, method.inference_networks)
    require_finite(weights, path)
    for name, tensors in weights.items():
        load_strictly(method.get_submodule(name), tensors, f"{path}: {name}")
    method.eval()
    return Trained(
        method=method,
        experiment=experiment,
        step=state["step"],
        steps=whole["step"],
        train_s=whole["train_s"],
        starts=whole["starts"],
        weights_sha256=weights_sha256(weights),
        path=path,
    )


def weights_sha256(networks: dict[str, dict[str, torch.Tensor]]) -> str:
    """SHA-256 over names and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256()
    for network, weights in sorted(networks.items()):
        for name, tensor in sorted(weights.items()):
            digest.update(f"{network}.{name}".encode())
            digest.update(
                tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
            )
    return digest.hexdigest()


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Within it, what a checkpoint's content makes torch raise becomes a ``UserError``."""
    try:
        yield
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is damaged, and the run cannot go on from it: {type(error).__name__}: {error}"
        ) from error


def random_state() -> dict[str, Any]:
    """The random states of this process as tensors and plain values."""
    algorithm, keys, position, has_gauss, cached = cast(
        tuple[str, np.ndarray, int, int, float], np.random.get_state(legacy=True)
    )
    return {
        "python": random.getstate(),
        "numpy": [algorithm, keys.tolist(), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict[str, Any], path: Path) -> None:
    """Take a ``random_state`` up again.

    Raises:
        UserError: it is none; ``path`` is the checkpoint that holds it.
    """
    with naming_damage(path):
        _set_random_state(state)


def _set_random_state(state: dict[str, Any]) -> None:
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    algorithm, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((algorithm, np.array(keys, np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
