"""Weights to the Hugging Face Hub: one commit of settings, weights and a card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...models.base.hub_weights import (
    CONFIG,
    FORMAT,
    WEIGHTS,
    HubAddress,
    hub_error,
)
from ..artifacts.checkpoint import Trained
from ..artifacts.provenance import portable_settings, versions
from ..artifacts.run_file import RunFile
from ..artifacts.weights_file import packed
from .model_card import model_card


def push_weights(
    trained: Trained,
    address: HubAddress,
    scores: Mapping[str, RunFile],
    *,
    terms: str = "other",
    private: bool = False,
) -> HubAddress:
    """Upload a trained method's inference weights, as ``ship`` writes them.

    The repository is made where it is missing, and so is the branch that the address names. Files
    there of other names stay as they are.

    Args:
        trained: the method.
        address: where to; "" as its revision is the main branch.
        scores: of the card, run files by name.
        terms: the licence of the weights, as the Hub calls it.
        private: whether a repository that is made is private.

    Returns:
        The address with the new commit.

    Raises:
        UserError: no network, no token, or one that may not write there.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    files = hub_files(trained, address, scores, terms)
    api = HfApi()
    try:
        api.create_repo(address.repo, private=private or None, exist_ok=True)
        if address.revision:
            api.create_branch(address.repo, branch=address.revision, exist_ok=True)
        with TemporaryDirectory() as folder:
            for name, content in files.items():  # the Hub's client takes large files by path
                Path(folder, name).write_bytes(content)
            commit = api.create_commit(
                address.repo,
                [CommitOperationAdd(name, str(Path(folder, name))) for name in files],
                commit_message=f"Weights of {trained.experiment.name}",
                revision=address.revision or None,
            )
    except Exception as error:  # among them whatever the HTTP library raises without a network
        raise hub_error(address, error) from error
    return HubAddress(address.repo, commit.oid)


def hub_files(
    trained: Trained, address: HubAddress, scores: Mapping[str, RunFile], terms: str
) -> dict[str, bytes]:
    """The files of a repository by name; arguments as ``push_weights``'s."""
    weights = packed(trained, half=trained.steps is not None)  # imported ones are the authors'
    sha256 = hashlib.sha256(weights).hexdigest()
    config: dict[str, Any] = {
        "format": FORMAT,
        "library_name": "crosschroma",
        "version": versions()["crosschroma"],
        "method": trained.method.name,
        "domain": trained.method.domain,
        "sha256": sha256,
        "experiment": portable_settings(trained.experiment),
    }
    card = model_card(trained, str(address), sha256, scores, terms)
    return {
        CONFIG: (json.dumps(config, indent=1, ensure_ascii=False) + "\n").encode(),
        WEIGHTS: weights,
        "README.md": card.encode(),
    }
